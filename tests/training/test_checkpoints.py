from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from scripts.errors import InputError
from scripts.training.checkpoints import STATE_FILE, Checkpoints

SETTINGS = {"seed": 1, "batch_size": 4}


def line(weight: float) -> nn.Linear:
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, weight)
    return network


def engine(epoch: int = 1) -> Any:
    return SimpleNamespace(state=SimpleNamespace(epoch=epoch, iteration=10 * epoch))


def checkpoints(folder: Path, network: nn.Module, **options: Any) -> Checkpoints:
    given = {"parts": {"stage": network}, "weights": {"model.pt": network}, "settings": SETTINGS, **options}
    return Checkpoints(folder, **given)


def validated(psnr: float) -> Any:
    return SimpleNamespace(state=SimpleNamespace(metrics={"psnr": psnr}))


def test_a_training_goes_on_where_it_stood(tmp_path):
    checkpoints(tmp_path, line(3.0), evaluator=validated(20.0)).save(engine(epoch=2))
    network, running = line(0.0), engine(epoch=0)
    later = checkpoints(tmp_path, network, evaluator=validated(19.0))
    later.load(running)
    assert network.weight.item() == 3
    assert (running.state.epoch, running.state.iteration) == (2, 20)
    assert later.best == 20


def test_without_a_state_nothing_is_loaded(tmp_path):
    network = line(1.0)
    checkpoints(tmp_path, network).load(engine())
    assert network.weight.item() == 1


def test_weights_are_those_of_the_best_epoch(tmp_path):
    network, evaluator = line(1.0), validated(20.0)
    kept = checkpoints(tmp_path, network, evaluator=evaluator)
    for epoch, psnr in enumerate((float("nan"), 22.0, 21.0, float("nan")), start=1):
        nn.init.constant_(network.weight, epoch)
        evaluator.state.metrics["psnr"] = psnr
        kept.save(engine(epoch))
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == 2
    assert torch.load(tmp_path / STATE_FILE, weights_only=True)["parts"]["stage"]["weight"].item() == 4


def test_one_process_of_several_writes(tmp_path):
    checkpoints(tmp_path, line(1.0), writes=False).save(engine())
    assert not list(tmp_path.iterdir())


def test_it_follows_an_engine(tmp_path):
    network, trainer = line(1.0), Engine(lambda *_: None)
    checkpoints(tmp_path, network).attach(trainer)
    trainer.run([0, 0], max_epochs=2)
    again, seen = Engine(lambda engine, _: seen.append(engine.state.epoch)), []
    checkpoints(tmp_path, network).attach(again)
    again.run([0, 0], max_epochs=3)
    assert seen == [3, 3]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seed": 2, "batch_size": 4}, "is of a training with `seed` 1, this one has 2"),
        ({"seed": 1}, "is of a training with `batch_size` 4, this one has None"),
    ],
)
def test_another_training_is_not_gone_on_with(tmp_path, settings, words):
    checkpoints(tmp_path, line(1.0)).save(engine())
    network = line(5.0)
    with pytest.raises(InputError, match=words):
        checkpoints(tmp_path, network, settings=settings).load(engine())
    assert network.weight.item() == 5


def test_a_state_of_another_network_is_refused(tmp_path):
    checkpoints(tmp_path, line(1.0)).save(engine())
    with pytest.raises(InputError, match="holds another network: .*weight"):
        checkpoints(tmp_path, nn.Linear(2, 1)).load(engine())


def test_weights_are_no_state_of_a_training(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / STATE_FILE)
    with pytest.raises(InputError, match="must be the state of a training, which it is not"):
        checkpoints(tmp_path, line(1.0)).load(engine())


def test_a_disk_without_space_leaves_what_was_saved_before(tmp_path, monkeypatch):
    kept = checkpoints(tmp_path, line(1.0))
    kept.save(engine(1))
    before = (tmp_path / STATE_FILE).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match="checkpoint of epoch 2 could not be written to .*: .*No space left"):
        kept.save(engine(2))
    assert (tmp_path / STATE_FILE).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", STATE_FILE]
