import hashlib
import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scripts.base.errors import InputError
from scripts.base.weights import load_weights, read_checkpoint, save_weights, seed_weights
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.fusion_net import FusionNet
from scripts.methods.haca3.published_network import published_network


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weights of a fusion net."""
    torch.manual_seed(0)
    save_weights(FusionNet().state_dict(), tmp_path / "fusion.pt")
    return tmp_path / "fusion.pt"


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def states_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_saved_weights_fill_another_network(file):
    torch.manual_seed(0)
    expected = FusionNet().state_dict()
    network = FusionNet()
    assert not states_equal(network.state_dict(), expected)
    assert load_weights(network, file) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert states_equal(network.state_dict(), expected)


def test_same_weights_are_the_same_bytes_under_any_name(file, tmp_path):
    digest = save_weights(torch.load(file, weights_only=True), tmp_path / "deeper" / "other.pt")
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "deeper").iterdir()] == ["other.pt"]


def test_unfinished_file_is_not_left(tmp_path):
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_weights({"weight": lambda: None}, tmp_path / "model.pt")
    assert list(tmp_path.iterdir()) == []


def test_missing_weights_are_refused_with_two_ways_to_go_on(tmp_path):
    words = r"model\.pt does not exist; import .* configs/import_weights\.json .* or add `--random_weights true`"
    with pytest.raises(InputError, match=words):
        load_weights(FusionNet(), tmp_path / "model.pt")


def test_weights_of_another_network_are_refused_with_names_and_shapes(file):
    wider = FusionNet(base=4)
    with pytest.raises(InputError) as caught:
        load_weights(wider, file)
    assert str(caught.value) == (
        f"weights file {file} holds another network: parameters of another shape: 7 (features.0.0.weight "
        "(8, 3, 3, 3, 3), must be (4, 3, 3, 3, 3), features.0.0.bias (8,), must be (4,), features.1.0.weight "
        "(16, 8, 3, 3, 3), must be (8, 4, 3, 3, 3), ...)"
    )
    with pytest.raises(
        InputError, match=r"missing: 2 \(weight, bias\); unexpected: 8 \(features.0.0.weight, .*, ...\)"
    ):
        load_weights(nn.Linear(2, 2), file)


def test_refused_weights_change_nothing(file):
    network = FusionNet(base=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError):
        load_weights(network, file)
    assert states_equal(network.state_dict(), before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(file, value):
    state = torch.load(file, weights_only=True)
    state["merge.2.bias"][:] = value
    save_weights(state, file)
    with pytest.raises(InputError, match=r"must be finite: parameters that are not: 1 \(merge\.2\.bias\)"):
        load_weights(FusionNet(), file)


@pytest.mark.parametrize("content", [{"fusion_net": {"weight": torch.ones(1)}}, [torch.ones(1)], {"weight": 1.0}])
def test_file_that_is_no_flat_state_dict_is_refused(tmp_path, content):
    file = saved(tmp_path / "nested.pt", content)
    with pytest.raises(InputError, match=r"must be a flat state dict.*; if it is the authors', import published"):
        load_weights(FusionNet(), file)


def test_git_lfs_pointer_is_refused(tmp_path):
    pointer = tmp_path / "model.pt"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:f654\nsize 141094419\n")
    with pytest.raises(
        InputError, match=r"model\.pt is a Git LFS pointer, not the weights themselves; run `git lfs pull`"
    ):
        read_checkpoint(pointer)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.999])
def test_truncated_file_is_refused(tmp_path, zipped, share):
    file = saved(tmp_path / "model.pt", FusionNet().state_dict(), _use_new_zipfile_serialization=zipped)
    kept = int(share * file.stat().st_size)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match=rf"model\.pt is truncated or damaged, .* {kept} bytes, .* download it again"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("content", "words"), [(b"<!DOCTYPE html>", "its 15 bytes begin with b'<!DOCTYPE html>'"), (b"", "its 0 bytes")]
)
def test_file_of_another_kind_is_refused(tmp_path, content, words):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(InputError, match=rf"model\.pt is not of PyTorch: {words}.*; download it again"):
        read_checkpoint(tmp_path / "model.pt")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_is_refused(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "model.ts")
    with pytest.raises(InputError, match=r"model\.ts is a TorchScript program; give the checkpoint"):
        read_checkpoint(tmp_path / "model.ts")


def test_plain_pickle_is_refused(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"weight": np.zeros(3)}))
    with pytest.raises(InputError, match=r"model\.pkl .*weights_only=True\) does not read"):
        read_checkpoint(tmp_path / "model.pkl")


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_named_and_never_run(tmp_path, zipped):
    file = saved(
        tmp_path / "model.pt",
        {"weight": torch.ones(1), "other": Intruder(tmp_path / "was_here")},
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(
        InputError, match=rf"model\.pt needs code to run, `{os.mkdir.__module__}\.mkdir`, and this bundle"
    ):
        read_checkpoint(file)
    assert not (tmp_path / "was_here").exists()
    torch.load(file, weights_only=False)
    assert (tmp_path / "was_here").exists()


def test_pickled_network_is_refused_by_its_class(tmp_path):
    with pytest.raises(InputError, match=r"needs code to run, `scripts\.methods\.haca3\.fusion_net\.FusionNet`"):
        read_checkpoint(saved(tmp_path / "model.pt", FusionNet()))


def test_advice_makes_an_unsafe_file_readable(tmp_path, monkeypatch):
    parts = {
        "fusion_net": OrderedDict(FusionNet().state_dict()),
        "epoch": 4,
        "history": Intruder(tmp_path / "was_here"),
    }
    file = saved(tmp_path / "fusion.pt", parts)
    with pytest.raises(InputError) as caught:
        read_checkpoint(file)
    advice = re.findall(r"^    (.*)$", str(caught.value), flags=re.MULTILINE)
    assert len(advice) == 4
    monkeypatch.chdir(tmp_path)
    exec("\n".join(advice), {})
    made = read_checkpoint(tmp_path / "weights.pt")
    assert list(made) == ["fusion_net"]
    assert states_equal(made["fusion_net"], parts["fusion_net"])


def test_same_seed_gives_the_same_weights_and_leaves_other_randomness_alone():
    first, second, other = FusionNet(), FusionNet(), FusionNet()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    seed_weights(first, 7)
    assert torch.equal(torch.rand(3), expected)
    seed_weights(second, 7)
    seed_weights(other, 8)
    assert states_equal(first.state_dict(), second.state_dict())
    assert not torch.equal(first.merge[0].weight, other.merge[0].weight)


@pytest.mark.parametrize("seed", range(3))
@torch.inference_mode()
def test_seeded_weights_make_images_with_contrast(seed):
    options = {"field_of_view": 96, "anatomy_base": 4, "decoder_base": 4}
    network = published_network(ForegroundAttention(CodeAttention()), **options).eval()
    seed_weights(network, seed)
    x, y = torch.meshgrid(torch.linspace(-1, 1, 96), torch.linspace(-1, 1, 96), indexing="ij")
    source = (x.square() + y.square() < 0.8) * (1 + (6 * x).sin() * (5 * y).cos() / 2)
    image = network(source.expand(1, 2, -1, -1), torch.tensor([[0.5, -0.5, 0.1, 0.1]]))
    inside = image[0, 0][source > 0]
    assert (inside > 0).float().mean() > 0.5
    assert inside.std() > 0.1
