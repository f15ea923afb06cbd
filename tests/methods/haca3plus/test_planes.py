from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.images.orientations import plane_view
from scripts.methods.haca3plus.planes import PlanesInferer
from scripts.methods.haca3plus.trust import TrustLaw

from .tiny import tiny_network

NETWORK = tiny_network(learned=True)
LOW, SIZE = (3, 5, 2), (9, 10, 7)


def subject(seed: int = 0) -> Tensor:
    """T1w, T2w and FLAIR (4, 16, 18, 12) of a box of noise, the T2w cut off; all else is 0."""
    volumes = torch.zeros(4, 16, 18, 12)
    inside = tuple(slice(low, low + size) for low, size in zip(LOW, SIZE, strict=True))
    volumes[:, *inside] = 0.2 + torch.rand(4, *SIZE, generator=torch.Generator().manual_seed(seed))
    volumes[1, :, :, : LOW[2] + 2] = 0
    volumes[2] = 0
    return volumes


def code(contrast: str, seed: int = 1) -> Tensor:
    channel = CONTRASTS.index(contrast)
    volume = subject(seed)[0]
    return PlanesInferer().encode_volume(NETWORK, volume, CONTRASTS[channel]).mean


TARGETS = [code("t1w"), code("pd")]


def harmonized(image: Tensor | None = None, targets: Any = TARGETS, **options: Any) -> Any:
    return PlanesInferer(**options).harmonize(subject() if image is None else image, NETWORK, targets)


def test_planes_are_fused_by_their_median():
    planes = [harmonized(orientations=[plane]) for plane in ("axial", "coronal", "sagittal")]
    for index, result in enumerate(harmonized()):
        # Each of these has codes of one orientation alone: so the median lies among planes with the same codes.
        assert result.image.shape == planes[0][index].image.shape == (1, 16, 18, 12)
    inferer = PlanesInferer(uncertainty=True)
    kept: list[Tensor] = []
    original = inferer._result

    def keep(subject: Any, passes: Any, *others: Any) -> Any:
        kept.append(torch.stack([subject.whole(plane.images[others[-1]]) for plane in passes]))
        return original(subject, passes, *others)

    inferer._result = keep  # type: ignore[method-assign]
    for result, stack in zip(inferer.harmonize(subject(), NETWORK, TARGETS), kept, strict=False):
        torch.testing.assert_close(result.image[0], stack.sort(0).values[1])
        assert result.uncertainty is not None
        torch.testing.assert_close(result.uncertainty[0], stack.std(0, correction=0))
        assert result.uncertainty.any()


def test_nothing_is_shown_where_no_source_shows_anything():
    (one, made_up), volumes = harmonized(attention=True), subject()
    visible = volumes.gt(0.01).any(0)
    for result in (one, made_up):
        assert result.image[0][visible].any() and not result.image[0][~visible].any()
        assert torch.equal(result.visible[0], visible)
        torch.testing.assert_close(result.attention.sum(0), visible.float())
        assert not result.attention[2].any()
    assert torch.equal(one.foreground, volumes > 0.01)


def test_what_is_dark_in_the_midst_of_a_source_is_shown_and_not_cut_off():
    volumes, hole = subject(), (slice(6, 8), slice(9, 11), slice(5, 7))
    volumes[0, *hole] = 0
    never = TrustLaw({contrast: (2.0, 3.0) for contrast in CONTRASTS}, (8, 9))
    result, _ = harmonized(volumes, trust=never)
    assert result.image[0, *hole].max() < 0.05 < 0.15 < result.image[0, 4:6, 9:11, 5:7].min()
    assert result.foreground[0, *hole].all() and not result.foreground[1, *hole[:2], : LOW[2] + 2].any()
    # Where the T2w is cut off, it is not taken for dark.
    volumes[:2] = volumes[:2].flip(0)
    cut, _ = harmonized(volumes, trust=never)
    assert cut.image[0, *hole[:2], LOW[2]].min() > 0.05


@pytest.mark.parametrize("margin", [(1, 0, 0), (0, 3, 0), (2, 1, 5)])
def test_empty_space_around_a_subject_changes_nothing(margin):
    image = subject()
    wider = torch.zeros(4, *(size + 2 * more for size, more in zip(image.shape[1:], margin, strict=True)))
    place = tuple(slice(more, more + size) for size, more in zip(image.shape[1:], margin, strict=True))
    wider[:, *place] = image
    for first, second in zip(harmonized(image), harmonized(wider), strict=True):
        assert torch.equal(first.image, second.image[:, *place])
    inferer = PlanesInferer()
    for channel in (0, 1, 3):
        codes = [inferer.encode_volume(NETWORK, each[channel], CONTRASTS[channel]) for each in (image, wider)]
        assert torch.equal(codes[0].mean, codes[1].mean)
        assert codes[0].areas.tolist() == codes[1].areas.tolist()


def test_workers_and_batches_change_nothing():
    expected = harmonized()
    for options in ({"workers": 3, "batch_size": 2}, {"batch_size": 1}, {"batch_size": 100}):
        for first, second in zip(expected, harmonized(**options), strict=True):
            torch.testing.assert_close(first.image, second.image, rtol=1e-4, atol=1e-5)


def test_heavy_parts_are_compiled_once_and_the_network_stays_as_it_is(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(type(module).__name__) or module)
    inferer = PlanesInferer(compiled=True)
    for _ in range(2):
        for first, second in zip(inferer.harmonize(subject(), NETWORK, TARGETS), harmonized(), strict=True):
            assert torch.equal(first.image, second.image)
    assert compiled == ["AnatomyEncoder", "PlusDecoder", "IdentityPath"]


@pytest.mark.slow
def test_a_compiled_network_gives_the_same():
    for first, second in zip(harmonized(compiled=True), harmonized(), strict=True):
        torch.testing.assert_close(first.image, second.image, rtol=1e-3, atol=1e-4)


def test_a_target_gives_the_same_whatever_the_others_are():
    for target, together in zip(TARGETS, harmonized(), strict=True):
        assert torch.equal(harmonized(targets=[target])[0].image, together.image)


def test_no_share_of_detail_is_the_decoded_image_and_half_lies_between():
    whole, half, none = ([r.image for r in harmonized(orientations=["axial"], detail=d)] for d in (True, 0.5, False))
    torch.testing.assert_close(half[0], (whole[0] + none[0]) / 2)
    assert (whole[0] != none[0]).any()
    # Of a contrast that is not there, nothing comes from a source anyway.
    assert torch.equal(whole[1], none[1])
    seen = harmonized(orientations=["axial"], detail=0, attention=True)[0].attention
    assert all(seen[channel].any() for channel in (0, 1, 3))


def test_each_place_has_its_own_share_of_detail():
    whole, none, local = (
        [r.image for r in harmonized(orientations=["axial"], detail=d)] for d in (True, False, "auto")
    )
    difference, kept = whole[0] - none[0], (local[0] - none[0])
    known = difference.abs() > 1e-3
    shares = (kept / difference)[known]
    assert shares.min() == pytest.approx(0.25, abs=1e-3) and 0.3 < shares.max() < 1
    assert torch.equal(local[1], whole[1])


def test_the_code_of_a_volume_is_the_mean_of_its_slices_by_what_they_show():
    volume = subject()[3]
    found = PlanesInferer(code_slices=3).encode_volume(NETWORK, volume, "flair")
    assert len(found.rows) == len(found.indices) == len(found.orientations) == 9
    weights = (found.areas / found.areas.sum())[:, None]
    torch.testing.assert_close(found.mean, (weights * found.rows).sum(0, keepdim=True))
    for plane, index, area in zip(found.orientations, found.indices, found.areas.tolist(), strict=True):
        assert (plane_view(volume, plane)[index] > 0.01).sum() == area
    percentiles = NETWORK.layout.percentiles(found.mean)[0]
    torch.testing.assert_close(percentiles, torch.quantile(volume[volume > 0.01], NETWORK.quantiles))
    assert NETWORK.layout.contrast(found.mean).tolist() == [[0, 0, 0, 1]]


def test_features_tell_of_every_source_in_the_slices_of_its_code():
    features = harmonized(code_slices=2)[0].features
    looked = PlanesInferer(code_slices=2).look(subject(), NETWORK)
    assert features.channel.unique().tolist() == [0, 1, 3]
    assert len(features.orientation) == 3 * 3 * 2 == len(features.index)
    assert torch.equal(features.code, looked.code) and looked.share.isnan().all()
    assert features.share.min() > 0 and features.share.max() < 1
    visible = subject().gt(0.01).any(0)
    rows = zip(features.orientation, features.index.tolist(), features.visible.tolist(), strict=True)
    assert all(plane_view(visible, plane)[index].sum() == pixels for plane, index, pixels in rows)
    assert features.of_volumes().keys() == {"t1w", "t2w", "flair"}


def test_a_source_that_is_not_available_is_none():
    image, absent = subject(), subject()
    absent[3] = 0
    available = torch.tensor([True, True, False, False])
    found = PlanesInferer().harmonize(image, NETWORK, TARGETS, available)
    for first, second in zip(found, harmonized(absent), strict=True):
        assert torch.equal(first.image, second.image)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "fp8"}, "`precision` must be one of fp32, bf16, got fp8"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"workers": 0}, "`workers` must be at least 1, got 0"),
        ({"code_slices": 0}, "`code_slices` must be at least 1, got 0"),
        ({"orientations": []}, "`orientations` must be some of axial, coronal, sagittal, got []"),
        ({"orientations": ["axial", "axial"]}, "`orientations` must be some of axial, coronal, sagittal, got"),
        ({"orientations": ["oblique"]}, "`orientations` must be some of axial, coronal, sagittal, got ['oblique']"),
        ({"orientations": ["axial"], "uncertainty": True}, "`uncertainty` needs at least two `orientations`, got one"),
        ({"compiled": True, "workers": 2}, "`workers` must be 1 where `compiled` is true, got 2"),
        ({"detail": 1.5}, "`carry_detail` must be auto, true, false or a number from 0 to 1, got 1.5"),
        ({"detail": "half"}, "`carry_detail` must be auto, true, false or a number from 0 to 1, got 'half'"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(InputError) as caught:
        PlanesInferer(**options)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("image", "available", "words"),
    [
        (torch.zeros(4, 8, 8, 8), None, "a subject must have at least one source that is not 0 everywhere"),
        (torch.full((4, 8, 8, 8), 0.001), None, "sources must show something above 0.01, all are 0"),
        (subject(), torch.tensor([True, True, True, True]), "an image of pd must show something above 0.01, it shows"),
    ],
)
def test_sources_that_show_nothing_are_refused(image, available, words):
    with pytest.raises(InputError) as caught:
        PlanesInferer().harmonize(image, NETWORK, TARGETS, available)
    assert str(caught.value).startswith(words)
