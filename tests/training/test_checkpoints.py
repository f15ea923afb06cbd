import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from scripts.base.errors import InputError
from scripts.base.weights import file_sha256
from scripts.training.checkpoints import PROVENANCE_FILE, STATE_FILE, Checkpoints

CONFIG: dict[str, Any] = {"seed": 1, "loss": {"kl": 0.5, "weights": [1, 2]}, "device": "cpu"}


def line(weight: float) -> nn.Linear:
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, weight)
    return network


def engine(epoch: int = 1) -> Any:
    return SimpleNamespace(state=SimpleNamespace(epoch=epoch, iteration=10 * epoch))


def checkpoints(folder: Path, network: nn.Module, **options: Any) -> Checkpoints:
    given = {
        "parts": {"stage": network},
        "weights": {"model.pt": network},
        "config": CONFIG,
        "free": ["device"],
        **options,
    }
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


def test_a_measure_may_be_one_that_falls(tmp_path):
    network, evaluator = line(1.0), validated(20.0)
    keeper = checkpoints(tmp_path, network, evaluator=evaluator, lowest=True)
    for weight, value in ((1.0, 20.0), (2.0, 18.0), (3.0, 19.0), (4.0, float("nan"))):
        nn.init.constant_(network.weight, weight)
        evaluator.state.metrics["psnr"] = value
        keeper.save(engine())
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == 2
    assert keeper.best == 18


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
    ("config", "words"),
    [
        ({**CONFIG, "seed": 2}, "is of a training with `seed` 1, this one has 2"),
        ({**CONFIG, "loss": {"kl": 0.5, "weights": [1, 3]}}, "a training with `loss#weights#1` 2, this one has 3"),
        ({**CONFIG, "loss": {"weights": [1, 2]}}, "a training with `loss#kl` 0.5, this one has None"),
        ({**CONFIG, "steps": 7}, "a training with `steps` None, this one has 7"),
    ],
)
def test_another_training_is_not_gone_on_with(tmp_path, config, words):
    checkpoints(tmp_path, line(1.0)).save(engine())
    network = line(5.0)
    with pytest.raises(InputError, match=words):
        checkpoints(tmp_path, network, config=config).load(engine())
    assert network.weight.item() == 5


def test_a_training_goes_on_on_another_device(tmp_path):
    checkpoints(tmp_path, line(1.0)).save(engine())
    network = line(5.0)
    checkpoints(tmp_path, network, config={**CONFIG, "device": "cuda"}).load(engine())
    assert network.weight.item() == 1


def test_the_best_weights_come_with_how_they_were_made(tmp_path):
    checkpoints(tmp_path, line(1.0), evaluator=validated(20.0)).save(engine(epoch=3))
    later = checkpoints(tmp_path, line(1.0), evaluator=validated(19.0))
    later.load(engine())
    later.save(engine(epoch=4))
    found = json.loads((tmp_path / PROVENANCE_FILE).read_text())
    assert found["sha256"] == {"model.pt": file_sha256(tmp_path / "model.pt")}
    assert (found["epoch"], found["metrics"], found["config"]) == (3, {"psnr": 20.0}, CONFIG)


def test_the_time_of_all_its_parts_is_counted(tmp_path):
    first = checkpoints(tmp_path, line(1.0))
    first.seconds = 100.0
    first.save(engine(1))
    later = checkpoints(tmp_path, line(1.0))
    later.load(engine())
    later.save(engine(2))
    assert 200 > torch.load(tmp_path / STATE_FILE, weights_only=True)["seconds"] >= 100


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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", PROVENANCE_FILE, STATE_FILE]


def with_target(target: str) -> dict[str, Any]:
    return {**CONFIG, "update": {"_target_": target, "accumulation": 1}}


def test_a_file_that_moved_makes_no_training_another_one(tmp_path):
    checkpoints(tmp_path, line(1.0)).save(engine())
    path = tmp_path / STATE_FILE
    before = torch.load(path, weights_only=True)
    # As it was written before names were kept without their modules.
    torch.save({**before, "config": with_target("scripts.engines.update.TrainingUpdate")}, path)
    for now in ("scripts.training.update.TrainingUpdate", "scripts.elsewhere.TrainingUpdate"):
        network = line(5.0)
        checkpoints(tmp_path, network, config=with_target(now)).load(engine())
        assert network.weight.item() == 1
    with pytest.raises(InputError, match="a training with `update#_target_` TrainingUpdate, this one has GameUpdate"):
        checkpoints(tmp_path, line(5.0), config=with_target("scripts.training.update.GameUpdate")).load(engine())


def test_records_name_no_module(tmp_path):
    checkpoints(tmp_path, line(1.0), config=with_target("scripts.training.update.TrainingUpdate")).save(engine())
    stored = torch.load(tmp_path / STATE_FILE, weights_only=True)["config"]
    assert stored == json.loads((tmp_path / PROVENANCE_FILE).read_text())["config"] == with_target("TrainingUpdate")


@pytest.mark.parametrize(("until", "said"), [(9, False), (10, True)])
def test_weights_of_a_step_at_which_not_all_had_begun_are_told_of(until, said, tmp_path, caplog):
    trainer = Engine(lambda *_: None)
    checkpoints(tmp_path, line(1.0), incomplete_until=until).attach(trainer)
    trainer.run([0] * 10, max_epochs=1)
    words = f"the weights that are kept are of step 10, but until step {until} (`incomplete_until`) part of what is"
    assert any(record.getMessage().startswith(words) for record in caplog.records) == said
