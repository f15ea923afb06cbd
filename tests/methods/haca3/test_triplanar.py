from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scripts.images.orientations import ORIENTATIONS
from scripts.inferers.harmonization import Harmonized
from scripts.methods.haca3.fusing import MedianFusion, NetworkFusion
from scripts.methods.haca3.fusion_net import FusionNet
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.plane_pass import Extras, PlanePass, view_subject
from scripts.methods.haca3.triplanar import TriPlanarInferer

from .golden import golden_fusion
from .small import CallCount, small_haca3, small_haca3_plus

BLOCK = (slice(3, 9), slice(8, 14), slice(4, 9))
SLICES = 6 + 6 + 5
EVERYTHING = {"attention": True, "uncertainty": True, "samples": 2}


class Ones(nn.Module):
    """A decoder that gives the same in every plane."""

    def forward(self, maps: Tensor) -> Tensor:
        return torch.ones_like(maps[:, :1])


class Short(nn.Module):
    """A decoder that takes no more than `most` slices at once."""

    def __init__(self, decoder: nn.Module, most: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.most = most
        self.refused: list[int] = []

    def forward(self, maps: Tensor) -> Tensor:
        if len(maps) > self.most:
            self.refused.append(len(maps))
            raise torch.OutOfMemoryError(f"no memory for {len(maps)} slices")
        return self.decoder(maps)


@pytest.fixture(scope="module")
def block(subject) -> Tensor:
    """A part of the subject, where T1w ends before z = 6, T2w starts at x = 5 and FLAIR ends before y = 12."""
    image = torch.zeros_like(subject)
    image[(..., *BLOCK)] = subject[(..., *BLOCK)]
    return image


@pytest.fixture(scope="module")
def shown(block) -> Tensor:
    """Where some source shows something."""
    return (block > 0).any(0, keepdim=True)


def run(image: Tensor, network: Haca3, targets: list[Any], fusion: Any = None, **options: Any) -> list[Harmonized]:
    available = options.pop("available", None)
    return TriPlanarInferer(fusion or MedianFusion(), **options).harmonize(image, network, targets, available)


@pytest.fixture(scope="module")
def both(block, network, targets) -> list[Harmonized]:
    """Everything there is to know, for two targets."""
    return run(block, network, targets, **EVERYTHING)


@pytest.fixture(scope="module")
def planes(block, network, targets) -> list[PlanePass]:
    """What the planes give for the first target."""
    seen, extras = view_subject(network, block[[0, 1, 3]]), Extras(attention=True, samples=2)
    passes = [PlanePass(network, seen, name, targets[0], extras) for name in ORIENTATIONS]
    with torch.inference_mode():
        for plane in passes:
            plane.process(plane.covered)
    return passes


def overflowing() -> FusionNet:
    """A fusion net that sees something everywhere."""
    network = golden_fusion()
    with torch.no_grad():
        network.merge[2].weight.zero_()
        network.merge[2].bias.fill_(1)
    return network


def test_image_is_the_median_of_the_planes(both, planes):
    torch.testing.assert_close(both[0].image[0], torch.stack([plane.images[0] for plane in planes]).median(0).values)


def test_one_plane_alone_is_what_it_decodes(block, network, targets, planes):
    result = run(block, network, targets[:1], orientations=["coronal"])[0]
    coronal = planes[ORIENTATIONS.index("coronal")]
    torch.testing.assert_close(result.image[0], coronal.images[0])
    assert set(result.features.orientation) == {"coronal"}


def test_output_is_zero_exactly_where_no_source_shows_anything(block, shown, network, targets, both):
    # Inside the block too, where every source has ended.
    assert not shown[0, 3:5, 12:14, 6:9].any()
    assert torch.equal(both[0].image > 0, shown)
    fused = run(block, network, targets[:1], NetworkFusion(overflowing()))[0]
    assert torch.equal(fused.image, shown.double())
    assert torch.equal(fused.visible, shown)


def test_fusion_net_may_be_left_to_itself(block, network, targets):
    fused = run(block, network, targets[:1], NetworkFusion(overflowing()), mask_fused=False)[0]
    assert fused.image.unique().tolist() == [1]


def test_haca3_shows_what_its_first_source_shows(block, targets):
    result = run(block, small_haca3(), targets[:1])[0]
    assert torch.equal(result.visible[0], block[0] > 0)
    assert torch.equal(result.image[0] > 0, block[0] > 0)
    without = run(block, small_haca3(), targets[:1], available=torch.tensor([False, True, False, True]))[0]
    assert torch.equal(without.image[0] > 0, block[1] > 0)


def test_source_of_a_limited_field_of_view_is_filled_from_the_others(block, shown, both):
    missing = (block[0] == 0) & shown[0]
    assert missing.sum() == 6 * 6 * 3 - 2 * 2 * 3
    assert torch.equal(both[0].visible[0] & ~both[0].foreground[0], missing)
    assert (both[0].image[0, missing] > 0).all()
    assert not both[0].attention[0, missing].any()


def test_foreground_is_that_of_each_source(block, both):
    assert torch.equal(both[0].foreground, block > 0)
    assert both[0].foreground.any((1, 2, 3)).tolist() == [True, True, False, True]


def test_attention_sums_to_one_where_something_is_shown_and_is_zero_elsewhere(block, shown, both):
    for result in both:
        torch.testing.assert_close(result.attention.sum(0, keepdim=True), shown.double())
        assert not result.attention[block == 0].any()
    assert not torch.equal(both[0].attention, both[1].attention)


def test_attention_is_the_mean_of_the_planes(both, planes):
    mean = sum(plane.attention[0] for plane in planes) / 3
    torch.testing.assert_close(both[0].attention[[0, 1, 3]], mean)
    assert not both[0].attention[2].any()


def test_uncertainty_is_zero_where_the_planes_agree(block, shown, targets):
    network = small_haca3_plus()
    network.decoder = Ones()
    result = run(block, network, targets[:1], uncertainty=True)[0]
    assert torch.equal(result.image, shown.double())
    assert result.uncertainty.shape == result.image.shape
    assert not result.uncertainty.any()


def test_uncertainty_is_the_spread_of_planes_and_draws(block, network, targets, both, planes):
    first, second, third = (plane.images[0] for plane in planes)
    mean = (first + second + third) / 3
    spread = ((first - mean) ** 2 + (second - mean) ** 2 + (third - mean) ** 2) / 3
    alone = run(block, network, targets[:1], uncertainty=True)[0].uncertainty[0]
    torch.testing.assert_close(alone, spread.sqrt())
    drawn = sum(plane.variance[0] for plane in planes) / 3
    torch.testing.assert_close(both[0].uncertainty[0], (spread + drawn).sqrt())
    assert (both[0].uncertainty[0] > alone)[alone > 0].all()


def test_samples_cost_nothing_where_no_uncertainty_is_wanted(block, targets):
    network = small_haca3_plus()
    decoded = CallCount(network, "decoder")
    result = run(block, network, targets[:1], samples=5)[0]
    assert decoded.slices == SLICES
    assert result.uncertainty is None and result.attention is None


def test_results_do_not_depend_on_the_size_of_batches(block, network, targets, both):
    batches = run(block, network, targets[:1], batch_size=4, **EVERYTHING)[0]
    for name in ("image", "attention", "uncertainty"):
        torch.testing.assert_close(getattr(batches, name), getattr(both[0], name))
    torch.testing.assert_close(batches.features.code, both[0].features.code)


def test_slices_side_by_side_make_no_difference(block, network, targets):
    threads = torch.get_num_threads()
    alone = run(block, network, targets[:1], **EVERYTHING)[0]
    together = run(block, network, targets[:1], workers=3, **EVERYTHING)[0]
    for name in ("image", "attention", "uncertainty"):
        assert torch.equal(getattr(together, name), getattr(alone, name))
    assert torch.equal(together.features.code, alone.features.code)
    assert torch.get_num_threads() == threads


def test_an_error_in_one_of_several_workers_ends_the_run(block, network, targets, monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(network), "decode", fail)
    with pytest.raises(ZeroDivisionError):
        run(block, network, targets[:1], workers=2)


def test_targets_do_not_influence_each_other_and_runs_repeat_themselves(block, network, targets, both):
    alone = run(block, network, targets[1:], **EVERYTHING)[0]
    for name in ("image", "attention", "uncertainty"):
        assert torch.equal(getattr(alone, name), getattr(both[1], name))
    assert torch.equal(alone.features.share, both[1].features.share)


def test_seed_changes_the_uncertainty_and_not_the_image(block, network, targets, both):
    other = run(block, network, targets[:1], uncertainty=True, samples=2, seed=1)[0]
    assert torch.equal(other.image, both[0].image)
    assert not torch.equal(other.uncertainty, both[0].uncertainty)


def test_each_source_is_encoded_once_in_each_slice_that_shows_something(block, targets):
    network = small_haca3_plus()
    counts = {part: CallCount(network, part) for part in ("anatomy_encoder", "artifact_encoder", "decoder")}
    run(block, network, targets, batch_size=3)
    assert {part: count.slices for part, count in counts.items()} == {
        "anatomy_encoder": 3 * SLICES,
        "artifact_encoder": 3 * SLICES,
        "decoder": 2 * SLICES,
    }


def test_codes_are_those_of_encoding_alone(block, network, both):
    features = TriPlanarInferer(MedianFusion()).encode(block, network)
    for name in ("index", "channel", "code", "area", "visible"):
        assert torch.equal(getattr(features, name), getattr(both[0].features, name))
    assert features.orientation == both[0].features.orientation
    assert features.share.isnan().all()
    assert len(features.orientation) == 3 * SLICES


def test_attention_shares_of_a_volume_sum_to_one(both):
    for result in both:
        volumes = result.features.of_volumes()
        assert list(volumes) == ["t1w", "t2w", "flair"]
        assert sum(volume["attention"] for volume in volumes.values()) == pytest.approx(1)


def test_sources_are_those_that_are_not_all_zero_unless_it_is_said(block, network, targets, both):
    said = run(block, network, targets[:1], available=torch.tensor([True, True, False, True]))[0]
    assert torch.equal(said.image, both[0].image)
    hidden = block.clone()
    hidden[2] = hidden[0]
    assert torch.equal(run(hidden, network, targets[:1], available=torch.tensor([1, 1, 0, 1]))[0].image, said.image)
    assert not torch.equal(run(hidden, network, targets[:1])[0].image, said.image)


def test_source_that_is_there_but_empty_has_codes_and_no_weight(block, network, targets, both):
    everything = torch.ones(4, dtype=torch.bool)
    result = run(block, network, targets[:1], available=everything, attention=True)[0]
    # Nothing shows it, so that the weights of the others are as they were.
    torch.testing.assert_close(result.attention, both[0].attention)
    assert result.features.channel.unique().tolist() == [0, 1, 2, 3]
    # HACA3 gives it a weight, and its anatomy a say.
    haca3 = [run(block, small_haca3(), targets[:1], available=each)[0] for each in (everything, None)]
    assert haca3[0].features.of_volumes()["pd"]["attention"] > 0.01
    assert not torch.equal(haca3[0].image, haca3[1].image)


def test_without_a_target_the_stored_code_is_used(block, targets, both):
    network = small_haca3_plus()
    network.default_target.copy_(targets[1])
    assert torch.equal(run(block, network, [None])[0].image, both[1].image)


def test_batches_shrink_until_memory_suffices(block, targets, both):
    network = small_haca3_plus()
    network.decoder = Short(network.decoder, most=2)
    result = run(block, network, targets[:1], batch_size=5)[0]
    torch.testing.assert_close(result.image, both[0].image)
    # Five do not fit, half of that does, in each of the planes.
    assert network.decoder.refused == [5, 5, 5]


def test_no_memory_for_a_single_slice_is_an_error(block, targets):
    network = small_haca3_plus()
    network.decoder = Short(network.decoder, most=0)
    with pytest.raises(torch.OutOfMemoryError, match="no memory for 1 slices"):
        run(block, network, targets[:1], batch_size=4)
    assert network.decoder.refused == [4, 2, 1]
