import json

import torch

from scripts.bench.style_cubes import GAMMAS, draw_person, main, scan


def test_scanners_differ_in_brightness_alone():
    person = draw_person(torch.Generator().manual_seed(0))
    assert person.unique().tolist() == torch.tensor([0.1, 0.6, 1.0]).tolist()
    bright, dark = (scan(person, number, torch.Generator().manual_seed(1)) for number in (0, len(GAMMAS) - 1))
    assert torch.equal(bright > -0.999, dark > -0.999) and bright.mean() > dark.mean()
    assert bright.min() == -1 and bright.max() <= 1


def test_a_model_that_learned_nothing_changes_little(capsys):
    main(["--steps", "1"])
    found = json.loads(capsys.readouterr().out)
    assert 0.05 < found["before"] < 0.08 and abs(found["after"] - found["before"]) < 0.03
    assert found["correlation"] > 0.9
