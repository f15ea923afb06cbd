import shutil

import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.inferers.precision import NetworkPreparation
from scripts.layers.unet import ConvBlock
from scripts.methods.haca3.network import Haca3

from ..methods.haca3.small import FIELD_OF_VIEW, small_haca3_plus


@pytest.fixture(scope="module")
def single() -> Haca3:
    return small_haca3_plus().float()


@pytest.fixture(scope="module")
def slices() -> Tensor:
    return torch.rand(2, 3, FIELD_OF_VIEW, FIELD_OF_VIEW, generator=torch.Generator().manual_seed(0))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Root mean square of the error over the standard deviation of what is expected."""
    assert actual.dtype == expected.dtype == torch.float32
    return ((actual - expected).square().mean().sqrt() / expected.std()).item()


def test_network_is_ready_for_single_precision_as_it_is(single):
    assert NetworkPreparation("fp32", compiled=False)(single) is single


@torch.inference_mode()
def test_half_precision_comes_close_in_all_that_is_continuous(single, slices):
    half = NetworkPreparation("bf16", compiled=False)(single)
    codes, expected = half.encode_code(slices), single.encode_code(slices)
    # Theta decides the contrast, and is cheap.
    torch.testing.assert_close(codes[..., :2], expected[..., :2])
    assert 0 < relative_error(codes[..., 2:], expected[..., 2:]) < 0.05
    logits = single.encode_anatomy(slices)
    assert 0 < relative_error(half.encode_anatomy(slices), logits) < 0.15
    anatomy, target = single.fuse(logits, torch.full((2, 3, 1, 1), 1 / 3)), torch.tensor([[0.5, -1, 0, 0]]).expand(2, 4)
    shown = torch.ones_like(anatomy)
    assert 0 < relative_error(half.decode(anatomy, target, shown), single.decode(anatomy, target, shown)) < 0.4


def test_network_itself_stays_in_single_precision(single):
    before = {name: value.clone() for name, value in single.state_dict().items()}
    half = NetworkPreparation("bf16", compiled=False)(single)
    assert {value.dtype for value in half.anatomy_encoder.state_dict().values()} == {torch.bfloat16}
    after = single.state_dict()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())
    assert len(after) == len(before)


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-5), pytest.param("bf16", 0.02, marks=pytest.mark.slow)]
)
@torch.inference_mode()
def test_compiled_network_gives_the_same(slices, precision, tolerance):
    network = small_haca3_plus().float()
    torch.manual_seed(0)
    network.anatomy_encoder = ConvBlock(1, 5).eval()
    compiled = NetworkPreparation(precision, compiled=True)(network)
    assert compiled is not network
    assert relative_error(compiled.encode_anatomy(slices), network.encode_anatomy(slices)) < tolerance


def test_prepared_network_is_kept_until_its_weights_change():
    network, prepare = small_haca3_plus().float(), NetworkPreparation("bf16")
    first = prepare(network)
    assert prepare(network) is first
    network.load_state_dict({name: 2 * value for name, value in network.state_dict().items()})
    second = prepare(network)
    assert torch.equal(second.decoder.module.stem.weight, 2 * first.decoder.module.stem.weight)
    assert prepare(network) is second
    other = small_haca3_plus().float()
    assert torch.equal(prepare(other).decoder.module.stem.weight, first.decoder.module.stem.weight)


def test_unknown_precision_is_refused():
    with pytest.raises(InputError, match="`precision` must be one of fp32, bf16, got fp16"):
        NetworkPreparation("fp16")
