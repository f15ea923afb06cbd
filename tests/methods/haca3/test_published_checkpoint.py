import os
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import DataParallel
from torch.optim import Adam
from torch.optim.lr_scheduler import CyclicLR

from scripts.base.errors import InputError
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention, ScalarAttention
from scripts.methods.haca3.fusion_net import FusionNet
from scripts.methods.haca3.published_checkpoint import (
    FUSION_NAMES,
    HARMONIZATION_NAMES,
    PublishedWeights,
    read_published,
)
from scripts.methods.haca3.published_network import published_network

from .golden import golden_fusion, golden_haca3, golden_parameter, published_parts

NARROW = {"field_of_view": 96, "anatomy_base": 2, "decoder_base": 2}
Parts = dict[str, Any]


@pytest.fixture
def parts() -> Parts:
    """The sub-networks of a narrow checkpoint, of which only the eta encoder is as large as a real one's."""
    return published_parts(golden_haca3(**NARROW), HARMONIZATION_NAMES)


def read(tmp_path: Path, content: Any, **options: Any) -> PublishedWeights:
    torch.save(content, tmp_path / "harmonization.pt", **options)
    network = published_network(ForegroundAttention(CodeAttention()), **NARROW)
    return read_published(tmp_path / "harmonization.pt", network, HARMONIZATION_NAMES)


def same(state: dict[str, Tensor], network: torch.nn.Module) -> bool:
    own = network.state_dict()
    return state.keys() == own.keys() and all(torch.equal(state[name], own[name]) for name in own)


def old_scheduler_state(optimizer: Adam) -> dict[str, Any]:
    """What CyclicLR.state_dict returned up to PyTorch 1.12: one of its own methods too."""
    scheduler = CyclicLR(optimizer, base_lr=4e-4, max_lr=7e-4, cycle_momentum=False)
    del scheduler._scale_fn_ref
    scheduler.scale_fn = MethodType(CyclicLR._triangular_scale_fn, scheduler)
    return {name: value for name, value in vars(scheduler).items() if name != "optimizer"}


def trained(network: torch.nn.Module) -> Adam:
    """An optimizer that has made a step."""
    optimizer = Adam(network.parameters())
    sum(parameter.sum() for parameter in network.parameters()).backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("zipped", [True, False])
def test_published_parameters_fill_the_network(tmp_path, parts, zipped):
    found = read(tmp_path, parts, _use_new_zipfile_serialization=zipped)
    assert same(found.state, golden_haca3(**NARROW))
    assert found.left_out == ()
    assert found.shapes["eta_encoder.seq.0.weight"] == (32, 65, 32, 32)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("anatomy_encoder.down.1.0.0.weight", "beta_encoder.down_convs.1.conv.0.weight"),
        ("anatomy_encoder.up.0.lift.0.weight", "beta_encoder.up_samples.3.conv.0.weight"),
        ("anatomy_encoder.head.2.bias", "beta_encoder.out_conv.2.bias"),
        ("contrast_encoder.log_variance.1.weight", "theta_encoder.logvar_conv.3.weight"),
        ("artifact_encoder.summary.1.bias", "eta_encoder.seq.3.bias"),
        ("attention.alpha.key.3.weight", "attention_module.k_fc.3.weight"),
        ("decoder.up.3.merge.1.0.bias", "decoder.up_convs.0.conv.3.bias"),
        ("decoder.stem.weight", "decoder.in_conv.weight"),
    ],
)
def test_layers_find_their_published_name(tmp_path, parts, ours, theirs):
    part, _, key = theirs.partition(".")
    parts[part][key].fill_(3)
    state = read(tmp_path, parts).state
    assert state[ours].eq(3).all()
    others = {name: value for name, value in golden_haca3(**NARROW).state_dict().items() if name != ours}
    assert all(torch.equal(state[name], value) for name, value in others.items())


def test_haca3_and_haca3_plus_read_the_same_file(tmp_path, parts):
    torch.save(parts, tmp_path / "harmonization.pt")
    network = published_network(ScalarAttention(CodeAttention()), **NARROW)
    assert same(
        read_published(tmp_path / "harmonization.pt", network, HARMONIZATION_NAMES).state, golden_haca3(**NARROW)
    )


def test_fusion_file_is_read(tmp_path):
    fusion = golden_fusion()
    optimizer = trained(FusionNet()).state_dict()
    content = {"epoch": 4, **published_parts(fusion, FUSION_NAMES), "optim_fusion_net": optimizer}
    torch.save(content, tmp_path / "fusion.pt")
    found = read_published(tmp_path / "fusion.pt", FusionNet(), FUSION_NAMES)
    assert same(found.state, fusion)
    assert torch.equal(found.state["merge.2.bias"], golden_parameter("fusion_net.conv2.2.bias", torch.Size([1])))
    assert found.left_out == ("epoch", "optim_fusion_net")
    assert found.encoders == {}


def test_what_training_left_is_left_out_and_never_made(tmp_path, parts):
    optimizer = trained(FusionNet())
    leftovers = {
        "patchifier": {"conv.0.weight": torch.ones(2, 1, 32, 32)},
        "optimizer": optimizer.state_dict(),
        "scheduler": old_scheduler_state(optimizer),
        "epoch": np.int64(7),
        "losses": np.arange(3.0),
        "timestr": "20230131-120000",
    }
    found = read(tmp_path, parts | leftovers)
    assert same(found.state, golden_haca3(**NARROW))
    assert found.left_out == tuple(leftovers)


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (Directory(self.folder), "made")


class Directory:
    """Makes a folder when its attribute is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def made(self) -> None:
        os.mkdir(self.folder)


def test_code_beside_the_networks_is_refused_by_name(tmp_path, parts):
    with pytest.raises(
        InputError, match=r"harmonization\.pt needs code to run, `.*test_published_checkpoint\.Directory`"
    ):
        read(tmp_path, parts | {"scheduler": Intruder(tmp_path / "was_here")})
    assert not (tmp_path / "was_here").exists()
    torch.load(tmp_path / "harmonization.pt", weights_only=False)
    assert (tmp_path / "was_here").exists()


def test_prefixes_of_data_parallel_are_taken_off(tmp_path, parts):
    wrapped = DataParallel(golden_haca3(**NARROW).contrast_encoder).state_dict()
    assert all(name.startswith("module.") for name in wrapped)
    parallel = {part: {f"module.{key}": value for key, value in state.items()} for part, state in parts.items()}
    assert same(read(tmp_path, parallel).state, golden_haca3(**NARROW))


def test_half_precision_becomes_single(tmp_path, parts):
    halved = {part: {key: value.half() for key, value in state.items()} for part, state in parts.items()}
    state = read(tmp_path, halved).state
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert torch.equal(state["decoder.stem.bias"], parts["decoder"]["in_conv.bias"].half().float())


def test_encoders_are_described(tmp_path, parts):
    assert read(tmp_path, parts).encoders == {
        "theta_encoder": "2-dimensional code of slices",
        "eta_encoder": "2-dimensional code of slices",
    }


@pytest.mark.parametrize(
    ("part", "key", "shape", "variant"),
    [
        ("eta_encoder", "seq.3.weight", (1, 32, 3, 3), "eta_encoder: 1-dimensional code of slices"),
        (
            "eta_encoder",
            "encoder.2.weight",
            (1, 64, 3, 3),
            "eta_encoder: 1-dimensional code of slices, the scorer that preceded",
        ),
        ("eta_encoder", "out.weight", (2, 128), "eta_encoder: 2-dimensional code of whole volumes"),
        ("eta_encoder", "fc.weight", (2, 64), "eta_encoder: unknown variant"),
        (
            "theta_encoder",
            "mu_conv.3.weight",
            (2, 64, 7, 7),
            "theta_encoder: 2-dimensional code of patches of 32 pixels",
        ),
        ("theta_encoder", "mean_fc.weight", (3, 128), "theta_encoder: 3-dimensional code of whole volumes"),
    ],
)
def test_other_encoder_is_refused_by_its_variant(tmp_path, parts, part, key, shape, variant):
    parts[part] = {key: torch.zeros(shape)}
    with pytest.raises(
        InputError, match=rf"harmonization\.pt \(.*{variant}.*\) holds another network: .*{part}\.{key}"
    ):
        read(tmp_path, parts)


def test_other_architecture_is_refused_with_names_and_shapes(tmp_path, parts):
    del parts["decoder"]["in_conv.bias"]
    parts["beta_encoder"]["in_conv.weight"] = torch.zeros(2, 1, 3, 3, 3)
    parts["attention_module"]["v_fc.0.weight"] = torch.zeros(1)
    with pytest.raises(InputError) as caught:
        read(tmp_path, parts)
    assert str(caught.value).endswith(
        "holds another network: parameters missing: 1 (decoder.in_conv.bias); unexpected: 1 "
        "(attention_module.v_fc.0.weight); of another shape: 1 (beta_encoder.in_conv.weight (2, 1, 3, 3, 3), must be "
        "(2, 1, 3, 3))"
    )


def test_network_with_more_layers_than_the_file_is_refused(tmp_path, parts):
    torch.save(parts, tmp_path / "harmonization.pt")
    network = published_network(ForegroundAttention(CodeAttention()), **NARROW)
    network.extra = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match=r"missing: 2 \(extra\.weight, extra\.bias\)"):
        read_published(tmp_path / "harmonization.pt", network, HARMONIZATION_NAMES)


def test_exchanged_files_are_refused(tmp_path):
    words = r"must hold the state dicts beta_encoder, .*; it lacks beta_encoder, .* and holds fusion_net, epoch"
    with pytest.raises(InputError, match=words):
        read(tmp_path, {**published_parts(golden_fusion(), FUSION_NAMES), "epoch": 1})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.zeros(1)], "must hold the state dicts .*, it is a list"),
        (
            {"epoch": 1},
            "must hold .*; it lacks beta_encoder, theta_encoder, .*, attention_module and holds epoch",
        ),
    ],
)
def test_file_without_state_dicts_is_refused(tmp_path, content, words):
    with pytest.raises(InputError, match=rf"harmonization\.pt {words}"):
        read(tmp_path, content)


def test_parameter_that_is_no_tensor_is_refused(tmp_path, parts):
    parts["decoder"]["in_conv.bias"] = np.zeros(2)
    with pytest.raises(InputError, match=r"decoder\.in_conv\.bias must be a tensor, it is a Placeholder"):
        read(tmp_path, parts)


def test_parameters_that_are_not_finite_are_refused(tmp_path, parts):
    parts["theta_encoder"]["conv.0.bias"][3] = float("nan")
    with pytest.raises(InputError, match=r"must be finite: .* 1 \(theta_encoder\.conv\.0\.bias\)"):
        read(tmp_path, parts)
