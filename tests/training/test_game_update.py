import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from scripts.base.errors import InputError
from scripts.training.moving_average import MovingAverage
from scripts.training.player import Player
from scripts.training.update import GameUpdate

BATCH = {"subject": ["sub-7"], "scanner": ["B"]}


class Tug(nn.Module):
    """The generator wants a b to be 0, the discriminator wants it to be 1; both losses depend on both weights."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.tensor(value)) for value in (2.0, 3.0))
        self.asked: list[str] = []

    def forward(self, batch: dict[str, Any], iteration: int, player: str) -> dict[str, torch.Tensor]:
        self.asked.append(player)
        product = self.a * self.b
        total = product**2 / 2 if player == "generator" else (product - 1) ** 2 / 2
        return {"error": total, "total": total}


def players(stage: Tug, **options: Any) -> dict[str, Player]:
    generator, discriminator = (torch.optim.SGD([parameter], lr=0.1) for parameter in (stage.a, stage.b))
    return {"discriminator": Player(discriminator, **options), "generator": Player(generator)}


def engine(stage: nn.Module, iteration: int = 1) -> Any:
    state = SimpleNamespace(iteration=iteration, epoch_length=10, device=torch.device("cpu"))
    return SimpleNamespace(network=stage, state=state)


def test_each_player_steps_down_its_own_loss_alone():
    stage = Tug()
    losses = GameUpdate(players(stage))(engine(stage), BATCH)
    # d/db (a b - 1)^2 / 2 = a (a b - 1) = 10 at 2 and 3; then d/da (a b)^2 / 2 = a b^2 = 8 at 2 and 2.
    assert stage.b.item() == pytest.approx(2.0)
    assert stage.a.item() == pytest.approx(2.0 - 0.8)
    assert losses == {name: pytest.approx(12.5) for name in ("discriminator_error", "discriminator_total")} | {
        name: pytest.approx(8.0) for name in ("generator_error", "generator_total")
    }


def test_no_gradient_is_left_and_nobody_stays_frozen():
    stage = Tug()
    GameUpdate(players(stage))(engine(stage), BATCH)
    assert stage.a.grad is None and stage.b.grad is None
    assert stage.a.requires_grad and stage.b.requires_grad


def test_what_was_frozen_before_stays_so():
    stage = Tug()
    playing = players(stage)
    stage.a.requires_grad_(False)
    with pytest.raises(RuntimeError, match="does not require grad"):
        GameUpdate(playing)(engine(stage), BATCH)
    assert not stage.a.requires_grad and stage.b.requires_grad


def test_a_player_takes_its_steps_in_every_iteration():
    stage = Tug()
    GameUpdate(players(stage, steps=2))(engine(stage), BATCH)
    assert stage.asked == ["discriminator", "discriminator", "generator"]
    # Once more 2 (2 * 2 - 1) = 6.
    assert stage.b.item() == pytest.approx(2.0 - 0.6)


def test_gradients_of_several_batches_are_gathered_for_each():
    stage, whole = Tug(), Tug()
    update = GameUpdate(players(stage), accumulation=2)
    update(engine(stage, 1), BATCH)
    assert (stage.a.item(), stage.b.item()) == (2, 3)
    update(engine(stage, 2), BATCH)
    # The discriminator's two batches have the gradient of one, the generator's first was before its step.
    GameUpdate(players(whole))(engine(whole), BATCH)
    assert stage.b.item() == pytest.approx(whole.b.item())
    assert stage.a.item() == pytest.approx(2 - 0.1 * (18 + 8) / 2)


def test_a_schedule_belongs_to_its_player():
    stage = Tug()
    playing = players(stage)
    schedule = torch.optim.lr_scheduler.StepLR(playing["generator"].optimizer, step_size=1, gamma=0.5)
    playing["generator"].scheduler = schedule
    GameUpdate(playing)(engine(stage), BATCH)
    assert [player.optimizer.param_groups[0]["lr"] for player in playing.values()] == pytest.approx([0.1, 0.05])


def test_averages_follow_once_for_each_step():
    stage = Tug()
    average = MovingAverage(stage, decay=0.5)
    update = GameUpdate(players(stage, steps=2), averages=[average])
    for iteration in (1, 2):
        before = average.network.b.item()
        update(engine(stage, iteration), BATCH)
    assert average.network.b.item() == pytest.approx((before + stage.b.item()) / 2)
    assert average.state_dict()["n_averaged"] == 2


def test_a_game_goes_on_where_it_stood():
    stages = [Tug(), Tug()]
    updates = [
        GameUpdate(
            {
                name: Player(torch.optim.Adam([parameter], lr=0.1))
                for name, parameter in (("discriminator", stage.b), ("generator", stage.a))
            },
            averages=[MovingAverage(stage, 0.5)],
        )
        for stage in stages
    ]
    for iteration in (1, 2, 3):
        updates[0](engine(stages[0], iteration), BATCH)
        if iteration == 2:
            stages[1].load_state_dict(copy.deepcopy(stages[0].state_dict()))
            updates[1].load_state_dict(copy.deepcopy(updates[0].state_dict()))
    updates[1](engine(stages[1], 3), BATCH)
    assert stages[0].state_dict() == stages[1].state_dict()
    assert updates[0].averages[0].state_dict() == updates[1].averages[0].state_dict()


def test_a_loss_that_is_not_finite_names_the_images_before_anybody_steps():
    stage = Tug()
    stage.a.data.fill_(float("inf"))
    with pytest.raises(InputError, match="iteration 1 has error inf, total inf; its images are sub-7 on B"):
        GameUpdate(players(stage))(engine(stage), BATCH)
    assert stage.b.item() == 3


def test_players_who_share_parameters_are_refused():
    stage = Tug()
    playing = players(stage)
    playing["critic"] = Player(torch.optim.SGD([stage.a], lr=0.1))
    with pytest.raises(InputError, match=r"parameters of its own, but generator and critic share one of shape \(\)"):
        GameUpdate(playing)


@pytest.mark.parametrize(
    ("options", "accumulation", "words"),
    [
        ({"steps": 0}, 1, "`steps` must be a whole number of at least 1, got 0"),
        ({"steps": 2}, 4, "`steps` of the player discriminator must be 1 where `accumulation` is above 1, got 2 and 4"),
    ],
)
def test_wrong_numbers_are_refused(options, accumulation, words):
    with pytest.raises(InputError, match=words):
        GameUpdate(players(Tug(), **options), accumulation=accumulation)
