import pytest
import torch

from scripts.methods.haca3plus.stage import LossWeights, PlusStage
from scripts.methods.haca3plus.task_law import TaskLaw

from .tiny import tiny_batch, tiny_network


def test_losses_are_finite_and_reach_every_part():
    stage = PlusStage(
        tiny_network(learned=True), TaskLaw(targets=4, curve_alone=0.0, closed=0.0), LossWeights(severity=0.1)
    )
    torch.manual_seed(0)
    losses = stage(tiny_batch())
    assert {"image", "decoded", "tissue", "restraint", "gate", "severity", "total"} == set(losses)
    losses["total"].backward()
    for name, parameter in stage.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_without_its_loss_the_artifact_encoder_stays_as_it_is():
    stage = PlusStage(tiny_network(learned=True))
    losses = stage(tiny_batch())
    assert "severity" not in losses
    losses["total"].backward()
    learning = {
        name.split(".")[0] for name, parameter in stage.network.named_parameters() if parameter.grad is not None
    }
    assert learning and "artifact_encoder" not in learning


def test_total_is_the_weighted_sum():
    stage = PlusStage(
        tiny_network(), weights=LossWeights(decoded=2.0, tissue=3.0, restraint=4.0, gate=6.0, severity=5.0)
    )
    losses = {name: loss.item() for name, loss in stage(tiny_batch()).items()}
    weights = {"image": 1, "decoded": 2, "tissue": 3, "restraint": 4, "gate": 6, "severity": 5}
    assert losses["total"] == pytest.approx(sum(weight * losses[name] for name, weight in weights.items()))


def test_same_seed_gives_the_same_losses():
    stage = PlusStage(tiny_network())
    totals = []
    for _ in range(2):
        torch.manual_seed(4)
        totals.append(stage(tiny_batch())["total"].item())
    assert totals[0] == totals[1]


def test_training_learns():
    stage = PlusStage(tiny_network(), TaskLaw(targets=4, withheld=0.0, dropout=0.0, curve_alone=0.0, closed=0.0))
    optimizer = torch.optim.Adam(stage.parameters(), 3e-3)
    batch, totals = tiny_batch(), []
    for _ in range(12):
        losses = stage(batch)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        totals.append(losses["total"].item())
    assert totals[-1] < totals[0]


def test_window_holds_the_brain():
    stage = PlusStage(tiny_network(), window=32)
    windows = stage._windows(tiny_batch())
    assert windows["source"].shape == (2, 4, 32, 32)
    assert windows["foreground"].sum() == tiny_batch()["foreground"].sum()


@pytest.mark.parametrize(("name", "given"), [("targets", {"tasks": TaskLaw(targets=5)}), ("window", {"window": 50})])
def test_refuses(name, given):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        PlusStage(tiny_network(), **given)
