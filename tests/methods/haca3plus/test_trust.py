"""How far the network is trusted, and what a result is where it is not."""

import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.methods.haca3plus.curve import apply_curve, slopes
from scripts.methods.haca3plus.network import HarmonizationNet
from scripts.methods.haca3plus.planes import PlanesInferer
from scripts.methods.haca3plus.tissue_levels import Aimed, carry_over
from scripts.methods.haca3plus.trust import TrustLaw, likeness

from .tiny import tiny_network

LIMITS = {contrast: (0.8, 0.9) for contrast in ("t1w", "t2w", "pd", "flair")}
NEVER = {contrast: (2.0, 3.0) for contrast in LIMITS}


def slices(seed: int = 0) -> Tensor:
    return torch.rand(3, 1, 20, 20, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("found", "severity", "trust"),
    [(0.95, 0.1, 1.0), (0.85, 0.1, 0.5), (-3.0, 0.1, 0.0), (-3.0, 0.9, 1.0), (0.5, 0.55, 0.5), (0.85, 0.55, 0.75)],
)
def test_trust_falls_with_unlikeness_but_not_where_an_artifact_is_the_reason(found, severity, trust):
    law = TrustLaw(LIMITS, (0.45, 0.65), (0, 1))
    both = law.of({"flair": found, "t1w": 1.0}, {"flair": severity, "t1w": 0.0})
    # A person is trusted as a whole: each is taken times the mean of the two.
    assert both == pytest.approx({"flair": trust * (trust + 1) / 2, "t1w": (trust + 1) / 2})


def test_an_artifact_is_repaired_from_the_other_sources_as_far_as_they_are_like_what_was_learned():
    law, severity = TrustLaw(LIMITS, (0.45, 0.65), (0, 1)), {"flair": 0.9, "t1w": 0.9, "t2w": 0.0}
    assert law.of({"flair": 0.5}, severity) == {"flair": 0.0}
    own = {"flair": 0.75, "t1w": 0.75, "t2w": 1.0}
    expected = {contrast: each * 2.5 / 3 for contrast, each in own.items()}
    assert law.of({"flair": 0.5, "t1w": 0.85, "t2w": 0.95}, severity) == pytest.approx(expected)


def test_little_trust_is_none_and_much_is_all():
    law, severity = TrustLaw(LIMITS, enough=(0.2, 0.6)), {"flair": 0.0, "t1w": 0.0}
    # Alone it is .49, .16 and .64, squares of the likeness between the limits.
    found = [law.of({"flair": 0.8 + 0.1 * each}, severity)["flair"] for each in (0.7, 0.4, 0.8)]
    assert found == pytest.approx([0.725, 0.0, 1.0])


def test_likeness_is_the_share_of_variation_that_is_redrawn_and_noise_does_not_count():
    image, shown = slices(), torch.ones(3, 1, 20, 20)
    assert likeness(image, image, shown) == pytest.approx(1)
    assert likeness(torch.full_like(image, float(image.mean())), image, shown) == pytest.approx(0, abs=0.02)
    assert likeness(3 - image, image, shown) < -3
    smooth = torch.linspace(0, 1, 20).expand(3, 1, 20, 20)
    noise = 0.1 * torch.randn(3, 1, 20, 20, generator=torch.Generator().manual_seed(1))
    assert likeness(smooth, smooth + noise, shown) > 0.98
    half = shown.clone()
    half[..., :10] = 0
    changed = image.clone()
    changed[..., :9] = 7
    assert likeness(changed, image, half) == pytest.approx(1)


def subject() -> Tensor:
    image = torch.zeros(4, 16, 16, 16)
    image[0, 3:13, 3:13, 3:13] = 0.2 + torch.rand(10, 10, 10, generator=torch.Generator().manual_seed(0))
    return image


def test_without_trust_the_result_is_the_match_of_levels_and_the_log_says_so(anything_is_tissue, caplog):
    network, image = tiny_network(learned=True), subject()
    trusting, wary = (PlanesInferer(orientations=["axial"], trust=law) for law in (None, TrustLaw(NEVER, (8, 9))))
    own = wary.encode_volume(network, image[0], "t1w")
    target = own.mean.clone()
    target[:, : network.layout.theta_end] += 1
    assert own.levels.any()
    levels = own.levels * 1.5
    target = torch.cat([target, levels, 0 * own.extent], 1)
    with caplog.at_level(logging.WARNING):
        (found,) = wary.harmonize(image, network, [target])
    assert "these scans are unlike what the network has learned" in caplog.text and "(t1w 0%)" in caplog.text
    knots = network.layout.percentiles(own.mean)
    wanted = carry_over(knots, own.levels, levels)
    expected = apply_curve(image[None, :1].flatten(3), knots, slopes(knots, wanted)).view(1, 16, 16, 16)
    torch.testing.assert_close(found.image, expected * (image[:1] > network.foreground_threshold), atol=1e-5, rtol=0)
    (other,) = trusting.harmonize(image, network, [target])
    assert (other.image - found.image).abs().max() > 0.05


@pytest.fixture
def trusts(monkeypatch) -> list[Tensor]:
    """What the network is told of trust, call by call."""
    draw, given_before = HarmonizationNet.draw, []

    def told(*given: Any) -> Any:
        given_before.append(given[-1])
        return draw(*given)

    monkeypatch.setattr(HarmonizationNet, "draw", told)
    return given_before


def test_the_curve_is_corrected_as_far_as_the_aim_says(anything_is_tissue, trusts, monkeypatch):
    network, image = tiny_network(learned=True), subject()
    inferer = PlanesInferer(orientations=["axial"], trust=TrustLaw(NEVER, (8, 9)))
    own = inferer.encode_volume(network, image[0], "t1w")
    aimed = Aimed(network.layout.percentiles(own.mean), *(torch.full((1, 1), share) for share in (0.5, 0.4)))
    monkeypatch.setattr("scripts.methods.haca3plus.planes.aimed_at", lambda *_: aimed)
    monkeypatch.setattr(TrustLaw, "of", lambda *_: {"t1w": 0.6})
    inferer.harmonize(image, network, [torch.cat([own.mean, own.levels, own.extent], 1)])
    assert trusts[-1][0].tolist() == pytest.approx([0.6 * 0.4, 0.6])


def test_the_decoded_image_takes_the_place_of_detail_as_far_as_it_is_trusted(monkeypatch):
    network, image = tiny_network(learned=True), subject()
    own = PlanesInferer(orientations=["axial"]).encode_volume(network, image[0], "t1w").mean
    target = torch.cat([1.1 * own[:, : network.layout.percentiles_end], network.layout.contrast(own)], 1)
    given = {}
    for trust, detail in ((1.0, 1.0), (1.0, 0.5), (0.4, 1.0), (0.4, 0.0), (0.4, 0.5), (0.0, 1.0), (0.0, 0.0)):
        monkeypatch.setattr(TrustLaw, "of", lambda *_, trust=trust: {"t1w": trust, "flair": 1.0})
        inferer = PlanesInferer(orientations=["axial"], trust=TrustLaw(NEVER), detail=detail)
        given[trust, detail] = inferer.harmonize(image, network, [target])[0].image
    torch.testing.assert_close(given[0.4, 0.5], (given[0.4, 1.0] + given[0.4, 0.0]) / 2)
    assert (given[0.4, 0.0] - given[0.4, 1.0]).abs().max() > 1e-3 < (given[1.0, 0.5] - given[1.0, 1.0]).abs().max()
    assert torch.equal(given[0.0, 0.0], given[0.0, 1.0])


def test_each_contrast_is_drawn_with_its_own_trust_and_the_log_tells_all(monkeypatch, trusts, caplog):
    network, image = tiny_network(learned=True), subject()
    image[3] = image[0] ** 2
    inferer = PlanesInferer(orientations=["axial"], trust=TrustLaw(LIMITS, (8, 9), (0, 1)))
    targets = [inferer.encode_volume(network, image[c], name).mean for c, name in ((0, "t1w"), (3, "flair"))]
    found = iter([1.0, 0.84])
    monkeypatch.setattr("scripts.methods.haca3plus.planes.likeness", lambda *_: next(found))
    with caplog.at_level(logging.WARNING):
        result, _ = inferer.harmonize(image, network, targets)
    expected = {"t1w": 0.7, "flair": 0.28}
    assert result.features.trust == pytest.approx(expected)
    assert "(likeness t1w 1.00, flair 0.84)" in caplog.text and "(t1w 70%, flair 28%)" in caplog.text
    assert [float(trust.unique()) for trust in trusts[-2:]] == pytest.approx([*expected.values()])


def test_ranges_that_do_not_rise_are_refused():
    with pytest.raises(InputError, match=r"`pd` of trust must be two numbers that rise, got \(0.9, 0.8\)"):
        TrustLaw({**LIMITS, "pd": (0.9, 0.8)})
    with pytest.raises(InputError, match="`likeness` must have t1w, t2w, pd, flair, got t1w"):
        TrustLaw({"t1w": (0.8, 0.9)})
