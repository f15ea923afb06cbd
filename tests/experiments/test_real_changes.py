import json

import pytest
import torch

from scripts.base.errors import InputError, find_cause
from scripts.experiments.real_changes import changes
from scripts.experiments.real_people import Person

from ..harmonize.tiny_subjects import harmonize
from .test_real_imputation import write_people

OVERLAY = "real_changes.json"
CHANGES = ["none", "darker", "brighter", "another contrast", "noise"]


def test_each_contrast_is_changed_and_compared_with_what_it_was(tmp_path):
    people = write_people(tmp_path)
    output = harmonize(tmp_path / "out", OVERLAY, people=people, data_dir=str(tmp_path), changed=["t1w"])
    rows = json.loads((output / "results.json").read_text())["rows"]
    found = [(row["person"], row["change"], row["image"]) for row in rows]
    assert found == [
        (name, change, image)
        for name in ("one", "two")
        for change in CHANGES
        for image in ("unharmonized", "harmonized")
    ]
    before = {row["change"]: row["measures"]["psnr"] for row in rows if row["image"] == "unharmonized"}
    # Nothing has changed, so that the two are equal.
    assert before.pop("none") > 100
    assert all(10 < value < 40 for value in before.values())
    table = (output / "table.md").read_text()
    assert "| t1w | darker |" in table and "| all | that changed |" in table


def test_changes_are_those_that_their_names_say():
    shown = torch.zeros(6, 6, 6)
    shown[1:5, 1:5, 1:5] = 1
    volumes = torch.stack([shown * torch.rand(6, 6, 6, generator=torch.Generator().manual_seed(n)) for n in range(4)])
    person = Person("one", volumes, shown > 0, shown > 2)
    made = dict(changes(person, 3, seed=1))
    inside = shown > 0
    assert torch.equal(made["none"], volumes[3])
    dim = inside & (volumes[3] < 0.8 * volumes[3].max())
    assert (made["darker"][dim] < volumes[3][dim]).all() and (made["brighter"][dim] > volumes[3][dim]).all()
    torch.testing.assert_close(made["another contrast"], 0.8 * volumes[3] + 0.2 * volumes[1])
    assert not any(image[~inside].any() for image in made.values())


def test_a_contrast_that_someone_lacks_is_refused(tmp_path):
    with pytest.raises(RuntimeError) as caught:
        harmonize(tmp_path / "out", OVERLAY, people=write_people(tmp_path), data_dir=str(tmp_path), changed=["pd"])
    assert "`people` one must have pd, got t1w, t2w, flair, lesions" in str(find_cause(caught.value, InputError))
