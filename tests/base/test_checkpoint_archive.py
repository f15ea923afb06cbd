from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scripts.base.checkpoint_archive import Placeholder, read_archive
from scripts.base.errors import InputError


def archive(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64]
)
def test_tensors_are_those_that_torch_reads(tmp_path, dtype):
    values = torch.arange(24).reshape(2, 3, 4).to(dtype)
    # Parts and turned views of one storage, and a scalar.
    content = {"all": values, "part": values[1, :, 1:3], "turned": values.transpose(0, 2), "step": values[0, 0, 3]}
    file = archive(tmp_path / "file.pt", content)
    found, expected = read_archive(file), torch.load(file, weights_only=True)
    assert list(found) == list(content)
    for name, value in expected.items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], value)
    assert found["part"].untyped_storage().data_ptr() == found["all"].untyped_storage().data_ptr()


def test_parameters_and_plain_values_are_read(tmp_path):
    layer = nn.Linear(2, 3)
    found = read_archive(
        archive(tmp_path / "file.pt", {"weight": layer.weight, "state": layer.state_dict(), "n": [1, "a"]})
    )
    assert torch.equal(found["weight"], layer.weight)
    assert torch.equal(found["state"]["bias"], layer.bias)
    assert found["n"] == [1, "a"]


def test_numbers_of_numpy_become_placeholders(tmp_path):
    found = read_archive(archive(tmp_path / "file.pt", {"epoch": np.float64(2), "losses": np.arange(3)}))
    assert {type(value) for value in found.values()} == {Placeholder}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (print, "builtins.print"),
        (nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (Fraction(1, 2), "fractions.Fraction"),
    ],
)
def test_other_objects_are_refused_by_name(tmp_path, content, name):
    with pytest.raises(InputError, match=rf"file\.pt needs code to run, `{name}`.*keep its tensors alone"):
        read_archive(archive(tmp_path / "file.pt", {"a": torch.ones(1), "b": content}))
