from ignite.engine import Engine

from scripts.training.epoch_progress import EpochProgress


def test_every_epoch_is_counted_to_its_end(capsys):
    engine = Engine(lambda *_: None)
    EpochProgress().attach(engine)
    engine.run([0] * 40, max_epochs=2)
    lines = capsys.readouterr().err.splitlines()
    # A line for every twentieth.
    assert len(lines) == 40
    assert lines[0].startswith("epoch 1 of 2: 2 of 40, ")
    assert lines[-1].startswith("epoch 2 of 2: 40 of 40, 0 s left")
