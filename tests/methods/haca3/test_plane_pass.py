import pytest
import torch
from torch import Tensor, nn

from scripts.images.orientations import ORIENTATIONS, from_slices, to_slices
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.plane_pass import Extras, PlanePass, view_subject

from .small import FIELD_OF_VIEW, SHAPE, CallCount, small_haca3, small_haca3_plus

# Of the small subject's box the margins on each side; the first source has its own.
INSIDE = {"axial": range(1, 10), "coronal": range(3, 16), "sagittal": range(2, 13)}
INSIDE_FIRST = {"axial": range(1, 6), "coronal": range(3, 16), "sagittal": range(2, 13)}
SOME = torch.tensor([5, 4, 8])


class Labels(nn.Module):
    """A decoder that shows the anatomy as it is."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps[:, :1]


@pytest.fixture(scope="module")
def sources(subject) -> Tensor:
    return subject[[0, 1, 3]]


@pytest.fixture(scope="module")
def codes_of_targets(targets) -> Tensor:
    return torch.cat(targets)


@torch.inference_mode()
def processed(
    network: Haca3,
    sources: Tensor,
    orientation: str,
    targets: Tensor,
    extras: Extras | None = None,
    batch: Tensor = SOME,
) -> PlanePass:
    """A pass over some slices at once."""
    plane = PlanePass(network, view_subject(network, sources), orientation, targets, extras or Extras())
    plane.process(batch)
    return plane


def whole_cube(sources: Tensor, orientation: str) -> Tensor:
    """All slices (S, C, H, W), the empty ones too."""
    return to_slices(sources, orientation, FIELD_OF_VIEW).transpose(0, 1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_slices_are_covered_where_the_output_may_differ_from_zero(network, sources, codes_of_targets, orientation):
    for kind, inside in ((network, INSIDE), (small_haca3(), INSIDE_FIRST)):
        plane = PlanePass(kind, view_subject(kind, sources), orientation, codes_of_targets)
        assert plane.covered.tolist() == list(inside[orientation])


def test_areas_count_foreground_pixels(network, sources, codes_of_targets):
    plane = PlanePass(network, view_subject(network, sources), "axial", codes_of_targets)
    # The box is 11 x 13; the second source lacks 3 of 11 columns, the third 4 of 13 rows, the first every slice from 6.
    assert plane.areas[5].tolist() == [11 * 13, 8 * 13, 11 * 9]
    assert plane.areas[6].tolist() == [0, 8 * 13, 11 * 9]
    assert plane.visible[[0, 5, 6]].tolist() == [0, 11 * 13, 11 * 13 - 3 * 4]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@torch.inference_mode()
def test_images_are_the_networks_own(network, sources, codes_of_targets, orientation):
    plane = processed(network, sources, orientation, codes_of_targets)
    slices = whole_cube(sources, orientation)
    margin = (FIELD_OF_VIEW - len(plane.areas)) // 2
    expected = sources.new_zeros(2, FIELD_OF_VIEW, FIELD_OF_VIEW, FIELD_OF_VIEW)
    for index in range(2):
        target = codes_of_targets[[index]]
        expected[index, SOME + margin] = network(slices[SOME + margin], target, torch.ones(3, 3))[:, 0]
    torch.testing.assert_close(plane.images, from_slices(expected, orientation, SHAPE))
    assert plane.images.any((1, 2, 3)).all()


@pytest.mark.parametrize("kind", [small_haca3, small_haca3_plus])
@torch.inference_mode()
def test_slices_left_out_are_empty(kind, sources, codes_of_targets):
    network = kind()
    plane = PlanePass(network, view_subject(network, sources), "axial", codes_of_targets)
    left_out = sorted(set(range(SHAPE[2])) - set(plane.covered.tolist()))
    slices = whole_cube(sources, "axial")[torch.tensor(left_out) + (FIELD_OF_VIEW - SHAPE[2]) // 2]
    assert len(left_out) >= 2
    assert not network(slices, codes_of_targets[:1], torch.ones(len(slices), 3)).any()


def test_codes_are_those_of_the_encoders(network, sources, codes_of_targets):
    plane = processed(network, sources, "coronal", codes_of_targets)
    with torch.inference_mode():
        expected = network.encode_code(whole_cube(sources, "coronal")[SOME + (FIELD_OF_VIEW - SHAPE[1]) // 2])
    torch.testing.assert_close(plane.codes[SOME], expected)
    assert not plane.codes[[3, 6, 7]].any()


def test_attention_sums_to_one_where_something_is_visible_and_is_zero_elsewhere(network, sources, codes_of_targets):
    plane = processed(network, sources, "axial", codes_of_targets, Extras(attention=True))
    done = torch.zeros(SHAPE, dtype=torch.bool)
    done[..., SOME] = True
    visible = (sources > 0).any(0) & done
    assert plane.attention.shape == (2, 3, *SHAPE)
    torch.testing.assert_close(plane.attention.sum(1), visible.double().expand(2, -1, -1, -1))
    assert not plane.attention[(sources == 0).expand(2, -1, -1, -1, -1)].any()
    # Slice 8: the first source shows nothing; where x < 5 nor does the second.
    assert plane.attention[:, 2, 2:5, 3:12, 8].unique().tolist() == pytest.approx([1])


def test_share_is_the_mean_attention_over_the_visible_pixels(network, sources, codes_of_targets):
    plane = processed(network, sources, "axial", codes_of_targets, Extras(attention=True))
    for index in SOME.tolist():
        expected = plane.attention[..., index].sum((2, 3)) / plane.visible[index]
        torch.testing.assert_close(plane.shares[:, index], expected)
    torch.testing.assert_close(plane.shares[:, SOME].sum(2), torch.ones(2, 3, dtype=torch.float64))
    assert not plane.shares[:, 3].any()


def test_targets_do_not_influence_each_other(network, sources, codes_of_targets):
    extras = Extras(attention=True, samples=2)
    together = processed(network, sources, "sagittal", codes_of_targets, extras)
    for index in range(2):
        alone = processed(network, sources, "sagittal", codes_of_targets[[index]], extras)
        for name in ("images", "attention", "variance", "shares"):
            assert torch.equal(getattr(together, name)[index], getattr(alone, name)[0])


def test_sources_are_encoded_once_and_decoded_for_each_target(sources, codes_of_targets):
    network = small_haca3_plus()
    counts = {part: CallCount(network, part) for part in ("anatomy_encoder", "contrast_encoder", "decoder")}
    processed(network, sources, "axial", codes_of_targets)
    assert {part: count.slices for part, count in counts.items()} == {
        "anatomy_encoder": 3 * 3,
        "contrast_encoder": 3 * 3,
        "decoder": 3 * 2,
    }


def test_without_targets_only_codes_are_found(sources, codes_of_targets):
    network = small_haca3_plus()
    counts = [CallCount(network, part) for part in ("anatomy_encoder", "decoder")]
    plane = processed(network, sources, "axial", codes_of_targets[:0])
    assert [count.calls for count in counts] == [0, 0]
    assert torch.equal(plane.codes, processed(network, sources, "axial", codes_of_targets).codes)


def test_numbers_of_a_slice_do_not_depend_on_its_batch(network, sources, codes_of_targets):
    extras = Extras(samples=2)
    together = processed(network, sources, "axial", codes_of_targets, extras)
    alone = PlanePass(network, view_subject(network, sources), "axial", codes_of_targets, extras)
    with torch.inference_mode():
        for index in SOME:
            alone.process(index[None])
    for name in ("codes", "shares", "images", "variance"):
        torch.testing.assert_close(getattr(alone, name), getattr(together, name))


def labelled() -> Haca3:
    network = small_haca3_plus()
    network.decoder = Labels()
    return network


def test_variance_is_that_of_draws_from_the_classes_probabilities(sources, codes_of_targets):
    network, samples = labelled(), 20
    plane = processed(network, sources, "axial", codes_of_targets[:1], Extras(samples=samples))
    with torch.inference_mode():
        slices = whole_cube(sources, "axial")[SOME + (FIELD_OF_VIEW - SHAPE[2]) // 2]
        weights = network.attention(
            codes_of_targets[:1].expand(3, -1), network.encode_code(slices), slices > 0.01, torch.ones(3, 3)
        )
        odds = (network.encode_anatomy(slices) * weights.unsqueeze(2)).sum(1).softmax(1)
    values = torch.arange(5) / 5
    mean = (odds * values.view(1, 5, 1, 1)).sum(1)
    exact = ((odds * values.view(1, 5, 1, 1).square()).sum(1) - mean.square()) * (slices > 0).any(1)
    # Over some 400 pixels of 20 draws each, the error of the mean is below one in a hundred.
    assert plane.variance.sum().item() == pytest.approx(exact.sum().item(), rel=0.03)


def test_draws_depend_on_seed_and_slice(sources, codes_of_targets):
    network = labelled()

    def variance(volumes: Tensor, seed: int) -> Tensor:
        return processed(network, volumes, "axial", codes_of_targets[:1], Extras(samples=2, seed=seed)).variance[0]

    by_seed = [variance(sources, seed) for seed in (0, 0, 1, 2**12, 2**32)]
    equal = [[torch.equal(first, second) for second in by_seed] for first in by_seed]
    assert torch.tensor(equal).sum() == 5 + 2 and equal[0][1]
    # Slices of the same content.
    uniform = variance(torch.full_like(sources, 0.5), 0)
    assert not torch.equal(uniform[..., 4], uniform[..., 5])
