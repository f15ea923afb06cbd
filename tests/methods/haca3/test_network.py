from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scripts.images.orientations import to_slices
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention, ScalarAttention
from scripts.methods.haca3.encoders import Encoders
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.published_network import published_network

from .golden import golden_haca3
from .own_parts import own_haca3_plus

FIELD_OF_VIEW = 96
ALL = torch.ones(2, 3)
WITHOUT_LAST = torch.tensor([[1.0, 1, 0], [1, 1, 0]])


def narrow(attention: nn.Module | None = None, **options: Any) -> Haca3:
    """A small network with golden parameters, which leave no image black."""
    network = golden_haca3(smoothing=False, field_of_view=FIELD_OF_VIEW, anatomy_base=2, decoder_base=2, **options)
    if attention is not None:
        attention.load_state_dict(network.attention.state_dict())
        network.attention = attention.eval()
    return network


def own() -> Haca3:
    """The parts that the bundle trains; the image has a constant, so that it is not black."""
    torch.manual_seed(0)
    network = own_haca3_plus(field_of_view=FIELD_OF_VIEW, anatomy_base=2).eval()
    network.decoder.head.bias.data += 1
    return network


@pytest.fixture(scope="module")
def network() -> Haca3:
    return narrow()


@pytest.fixture
def sources() -> Tensor:
    """Three sources of two slices; the second shows nothing in the upper third, the last nothing in the right one."""
    image = torch.rand(2, 3, FIELD_OF_VIEW, FIELD_OF_VIEW, generator=torch.Generator().manual_seed(0)) + 0.1
    image[:, :, :, :8] = 0
    image[:, 1, :32] = 0
    image[:, 2, :, 64:] = 0
    return image


@pytest.fixture
def target() -> Tensor:
    return torch.randn(2, 4, generator=torch.Generator().manual_seed(1))


def test_parts_have_the_published_numbers_of_parameters():
    with torch.device("meta"):
        network = published_network(ForegroundAttention(CodeAttention()))
    counts = {name: sum(value.numel() for value in part.parameters()) for name, part in network.named_children()}
    assert counts == {
        "anatomy_encoder": 2_161_013,
        "contrast_encoder": 149_252,
        "artifact_encoder": 2_142_786,
        "attention": 5_472,
        "decoder": 8_639_425,
    }


@pytest.mark.parametrize("field_of_view", [96, 128])
@torch.inference_mode()
def test_image_has_the_field_of_view_of_the_sources(field_of_view):
    network = golden_haca3(field_of_view=field_of_view, anatomy_base=2, decoder_base=2)
    assert network(torch.rand(2, 3, field_of_view, field_of_view)).shape == (2, 1, field_of_view, field_of_view)


@pytest.mark.parametrize("field_of_view", [32, 100])
def test_field_of_view_that_the_layers_cannot_take_is_refused(field_of_view):
    encoders = Encoders(nn.Identity(), nn.Identity(), nn.Identity())
    with pytest.raises(ValueError, match=rf"`field_of_view` must be a multiple of 32 .* got {field_of_view}"):
        Haca3(ForegroundAttention(CodeAttention()), encoders, nn.Identity(), field_of_view)


@torch.inference_mode()
def test_image_is_exactly_zero_where_no_source_shows_anything(network, sources, target):
    sources[0, :, 40:50] = 0
    image = network(sources, target, ALL)
    shown = (sources > 0).any(1, keepdim=True)
    assert not image[~shown].any()
    assert (image[shown] > 0).float().mean() > 0.5
    assert not network(torch.zeros(2, 3, 96, 96), target, ALL).any()


@torch.inference_mode()
def test_image_of_haca3_is_zero_where_its_first_source_is(sources, target):
    network = narrow(ScalarAttention(CodeAttention()))
    assert not network(sources, target, torch.tensor([[0.0, 1, 1], [0, 1, 1]]))[:, :, :32].any()
    assert network(sources, target, ALL)[:, :, :32].any()


@pytest.mark.parametrize("kind", [ScalarAttention, ForegroundAttention])
@torch.inference_mode()
def test_missing_source_changes_nothing_whatever_its_channel_holds(kind, sources, target):
    network = narrow(kind(CodeAttention()))
    image = network(sources, target, WITHOUT_LAST)
    sources[:, 2] = torch.rand(2, 96, 96)
    assert torch.equal(network(sources, target, WITHOUT_LAST), image)
    assert not torch.equal(network(sources, target, ALL), image)


@pytest.mark.parametrize("kind", [ScalarAttention, ForegroundAttention])
@torch.inference_mode()
def test_empty_source_is_missing_unless_it_is_said_to_be_there(kind, sources, target):
    network = narrow(kind(CodeAttention()))
    sources[:, 2] = 0
    missing = network(sources, target, WITHOUT_LAST)
    assert torch.equal(network(sources, target), missing)
    assert not torch.equal(network(sources, target, ALL), missing)


@torch.inference_mode()
def test_present_and_empty_source_changes_no_weight_where_others_show_something(network, sources, target):
    sources[:, 2] = 0
    codes, foreground = network.encode_code(sources), network.foreground(sources)
    empty, missing = (network.attention(target, codes, foreground, available) for available in (ALL, WITHOUT_LAST))
    shown = foreground.any(1, keepdim=True).expand_as(empty)
    torch.testing.assert_close(empty[shown], missing[shown])
    assert empty[~shown].unique().tolist() == pytest.approx([1 / 3])
    assert missing[~shown].unique().tolist() == pytest.approx([0, 1 / 2])


@torch.inference_mode()
def test_order_of_the_sources_does_not_matter(network, sources, target):
    turned = network(sources.roll(1, 1), target, WITHOUT_LAST.roll(1, 1))
    torch.testing.assert_close(turned, network(sources, target, WITHOUT_LAST), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_slices_of_a_batch_do_not_influence_each_other(network, sources, target):
    alone = torch.cat([network(sources[[i]], target[[i]], WITHOUT_LAST[[i]]) for i in range(2)])
    torch.testing.assert_close(alone, network(sources, target, WITHOUT_LAST), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_without_target_the_stored_code_is_used(sources, target):
    network = narrow()
    before = network(sources)
    assert torch.equal(before, network(sources, torch.zeros(1, 4)))
    network.default_target.copy_(target[:1])
    assert torch.equal(network(sources), network(sources, target[:1]))
    assert not torch.equal(network(sources), before)


@torch.inference_mode()
def test_pixels_up_to_the_threshold_are_background(sources, target):
    image = narrow(foreground_threshold=0.5)(sources, target, ALL)
    assert not image[(sources <= 0.5).all(1, keepdim=True)].any()
    assert image[(sources > 0.5).any(1, keepdim=True)].any()


@torch.inference_mode()
def test_likeliest_class_of_the_weighted_logits_is_a_fifth_of_its_number(network):
    logits = torch.tensor([[0.0, 3, 0, 0, 0], [0, 0, 2, 0, 0]]).view(1, 2, 5, 1, 1)
    for weights, expected in (((0.5, 0.5), 1 / 5), ((0.2, 0.8), 2 / 5)):
        assert network.fuse(logits, torch.tensor(weights).view(1, 2, 1, 1)).item() == pytest.approx(expected)
    noise = torch.tensor([0.0, 0, 0, 0, 9]).view(1, 5, 1, 1)
    assert network.fuse(logits, torch.tensor([0.5, 0.5]).view(1, 2, 1, 1), noise).item() == pytest.approx(4 / 5)


@torch.inference_mode()
def test_inference_repeats_itself(network, sources, target):
    assert torch.equal(network(sources, target), network(sources, target))


def test_training_draws_classes_in_proportion_and_passes_gradients():
    network = narrow().train()
    odds = torch.tensor([1.0, 1, 2, 4, 8])
    logits = odds.log().view(1, 1, 5, 1, 1).expand(1, 1, 5, 200, 200).clone().requires_grad_()
    torch.manual_seed(0)
    drawn = network.fuse(logits, torch.ones(1, 1, 200, 200))
    shares = [(drawn == k / 5).float().mean().item() for k in range(5)]
    assert shares == pytest.approx((odds / 16).tolist(), abs=0.01)
    drawn.sum().backward()
    assert logits.grad.any()


def test_training_reaches_every_part_but_the_spread_of_theta(sources, target):
    network = narrow().train()
    torch.manual_seed(0)
    network(sources, target, ALL).sum().backward()
    reached = {name.partition(".")[0] for name, value in network.named_parameters() if value.grad is not None}
    assert reached == {"anatomy_encoder", "contrast_encoder", "artifact_encoder", "attention", "decoder"}


@torch.inference_mode()
def test_code_of_a_target_is_the_mean_over_coronal_slices():
    volumes = torch.rand(2, 1, 60, 70, 50, generator=torch.Generator().manual_seed(2))
    network = narrow(target_slices=3, first_target_slice=20)
    # The cube has a margin of 13 voxels in front.
    slices = to_slices(volumes[:, 0], "coronal", FIELD_OF_VIEW)[:, 33:36]
    expected = network.encode_code(slices).mean(1)
    torch.testing.assert_close(network.encode_target(volumes, "t1w"), expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_code_of_a_target_is_read_where_it_shows_most():
    volume = torch.zeros(1, 1, 60, 70, 50)
    volume[..., 20:40, 5:50, 10:30] = 0.5
    volume[..., 10:50, 41:44, 5:45] = torch.rand(40, 3, 40, generator=torch.Generator().manual_seed(3)) + 0.1
    found = narrow(target_slices=3).encode_target(volume, "t1w")
    expected = narrow(target_slices=3, first_target_slice=41).encode_target(volume, "t1w")
    assert torch.equal(found, expected)
    assert not torch.equal(narrow(target_slices=3, first_target_slice=40).encode_target(volume, "t1w"), expected)


def test_soft_anatomy_is_the_probability_of_each_class():
    network = own()
    logits, weights = torch.zeros(1, 2, 5, 1, 1), torch.full((1, 2, 1, 1), 0.5)
    logits[0, :, 3] = torch.tensor([1.0, 3.0]).view(2, 1, 1)
    # exp(2) / (4 + exp(2)), the weighted logit being 2.
    probability = 0.648787
    for mode in (network.train(), network.eval()):
        anatomy = mode.fuse(logits, weights)
        others = (1 - probability) / 4
        assert anatomy.flatten().tolist() == pytest.approx([others, others, others, probability, others], abs=1e-5)
        # (0 + 1 + 2 + 4) others / 5 + 3 probability / 5
        assert float(mode.mean_class(anatomy)) == pytest.approx(1.4 * others + 0.6 * probability, abs=1e-5)


@torch.inference_mode()
def test_noise_makes_soft_anatomy_a_draw(sources, target):
    network = own()
    logits, weights = network.encode_anatomy(sources), torch.full((2, 3, FIELD_OF_VIEW, FIELD_OF_VIEW), 1 / 3)
    noise = torch.randn(2, 5, FIELD_OF_VIEW, FIELD_OF_VIEW)
    drawn = network.fuse(logits, weights, noise)
    assert not torch.equal(drawn, network.fuse(logits, weights))
    torch.testing.assert_close(drawn.sum(1), torch.ones(2, FIELD_OF_VIEW, FIELD_OF_VIEW))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda: narrow(ScalarAttention(CodeAttention())),
        lambda: narrow(ForegroundAttention(CodeAttention(), smoothing=True)),
        own,
    ],
)
@torch.inference_mode()
def test_torchscript_gives_the_same_image(make, sources, target):
    network = make()
    scripted = torch.jit.script(network)
    torch.testing.assert_close(scripted(sources, target, WITHOUT_LAST), network(sources, target, WITHOUT_LAST))
    torch.testing.assert_close(scripted(sources), network(sources))


# The exporter's own, and 0 / 0 where no source shows anything, which is not used.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:invalid value encountered in divide:RuntimeWarning")
@pytest.mark.parametrize("make", [lambda: narrow(ForegroundAttention(CodeAttention(), smoothing=True)), own])
@torch.inference_mode()
def test_onnx_gives_the_same_image(make, sources, target, tmp_path: Path):
    pytest.importorskip("onnxscript")
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    network, file = make(), tmp_path / "network.onnx"
    inputs = {"image": sources, "target": target, "available": WITHOUT_LAST}
    torch.onnx.export(network, tuple(inputs.values()), f=file, input_names=list(inputs), verbose=False)
    arrays = {name: value.numpy() for name, value in inputs.items()}
    (image,) = reference.ReferenceEvaluator(onnx.load(file)).run(None, arrays)
    torch.testing.assert_close(torch.from_numpy(image), network(*inputs.values()), rtol=1e-3, atol=1e-4)


def test_a_target_is_redrawn_from_itself_alone_in_the_slices_that_its_code_is_of():
    network = narrow(target_slices=3)
    volume = torch.zeros(20, 24, 18)
    volume[3:15, 5:9, 2:16] = torch.rand(12, 4, 14, generator=torch.Generator().manual_seed(2)) + 0.1
    with torch.inference_mode():
        code = network.encode_target(volume[None, None], "flair")
        slices, made = network.redraw_target(volume, "flair", code)
        sources = torch.zeros(3, 4, FIELD_OF_VIEW, FIELD_OF_VIEW)
        sources[:, 3:] = slices
        expected = network(sources, code, torch.tensor([[0.0, 0, 0, 1]]))
    assert slices.shape == (3, 1, FIELD_OF_VIEW, FIELD_OF_VIEW)
    torch.testing.assert_close(slices.sum((1, 2, 3)).sort().values, volume.sum((0, 2))[6:9].sort().values)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)


def test_the_severity_of_a_code_is_the_norm_of_its_eta(network):
    assert network.severity(torch.tensor([[9.0, 9, 3, -4]])) == pytest.approx(5)
