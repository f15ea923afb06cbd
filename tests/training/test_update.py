import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from scripts.base.errors import InputError
from scripts.training.update import TrainingUpdate


class Slope(nn.Module):
    """A stage that fits y = w x, and counts on what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, batch: dict[str, Any], iteration: int) -> dict[str, torch.Tensor]:
        error = ((self.weight * batch["x"] - batch["y"]) ** 2).mean()
        return {"error": error, "drawn": torch.rand(()), "total": error}


def engine(stage: nn.Module, iteration: int = 1, epoch_length: int = 10) -> Any:
    state = SimpleNamespace(iteration=iteration, epoch_length=epoch_length, device=torch.device("cpu"))
    return SimpleNamespace(network=stage, optimizer=torch.optim.SGD(stage.parameters(), lr=0.1), state=state)


def batch(x: list[float], y: list[float]) -> dict[str, Any]:
    about = {"subject": ["sub-7"], "scanner": ["B"], "orientation": ["sagittal"], "slice": torch.tensor([101])}
    return {"x": torch.tensor(x), "y": torch.tensor(y), **about}


def test_a_step_goes_down_the_gradient():
    stage = Slope()
    losses = TrainingUpdate()(engine(stage), batch([2.0], [5.0]))
    # d/dw (2 w - 5)^2 = 4 (2 w - 5) = -12 at 1; a tenth of that up.
    assert stage.weight.item() == pytest.approx(2.2)
    assert losses["error"] == losses["total"] == pytest.approx(9)


def test_accumulated_batches_are_one_large_batch():
    parts, whole = Slope(), Slope()
    update, running = TrainingUpdate(accumulation=2), engine(parts)
    update(running, batch([2.0], [5.0]))
    assert parts.weight.item() == 1
    running.state.iteration = 2
    update(running, batch([1.0], [0.0]))
    TrainingUpdate()(engine(whole), batch([2.0, 1.0], [5.0, 0.0]))
    assert parts.weight.item() == pytest.approx(whole.weight.item())


def test_what_is_left_at_the_end_of_an_epoch_is_not_lost():
    stage = Slope()
    TrainingUpdate(accumulation=4)(engine(stage, iteration=3, epoch_length=3), batch([2.0], [5.0]))
    assert stage.weight.item() == pytest.approx(1 + 1.2 / 4)


def test_a_large_gradient_is_cut():
    stage = Slope()
    TrainingUpdate(largest_gradient=1.0)(engine(stage), batch([2.0], [5.0]))
    assert stage.weight.item() == pytest.approx(1.1, abs=1e-5)


def test_the_schedule_follows_the_steps_of_the_optimizer():
    running = engine(Slope())
    schedule = torch.optim.lr_scheduler.StepLR(running.optimizer, step_size=1, gamma=0.5)
    update = TrainingUpdate(accumulation=2, scheduler=schedule)
    rates = []
    for running.state.iteration in (1, 2, 3, 4):
        update(running, batch([2.0], [5.0]))
        rates.append(schedule.get_last_lr()[0])
    assert rates == pytest.approx([0.1, 0.05, 0.05, 0.025])


def test_draws_depend_on_the_seed_and_the_iteration_alone():
    def drawn(seed: int, iteration: int) -> float:
        torch.rand(3)
        return TrainingUpdate(seed=seed)(engine(Slope(), iteration), batch([2.0], [5.0]))["drawn"]

    assert drawn(1, 1) == drawn(1, 1)
    assert len({drawn(1, 1), drawn(1, 2), drawn(2, 1)}) == 3


def test_a_batch_whose_loss_is_not_finite_is_named_and_changes_nothing():
    stage = Slope()
    before = copy.deepcopy(stage.state_dict())
    words = "losses must be finite, iteration 1 has error nan, .*; its images are sub-7 on B, sagittal 101"
    with pytest.raises(InputError, match=words):
        TrainingUpdate()(engine(stage), batch([float("nan")], [5.0]))
    assert stage.state_dict() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "int8"}, "`precision` must be one of fp32, bf16, got int8"),
        ({"accumulation": 0}, "`accumulation` must be at least 1, got 0"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        TrainingUpdate(**options)


def test_a_batch_of_volumes_is_named_by_its_people():
    given = {
        name: value for name, value in batch([float("nan")], [5.0]).items() if name not in ("orientation", "slice")
    }
    with pytest.raises(InputError, match="its images are sub-7 on B$"):
        TrainingUpdate()(engine(Slope()), given)
