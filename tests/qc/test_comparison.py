import numpy as np
import pytest
import torch

from scripts.base.contrasts import CONTRASTS
from scripts.images.grid import GRID_AFFINE
from scripts.qc.comparison import Box, compare

from .small_subject import CUBE, SHAPE, harmonized, small_subject, textured


def test_source_of_the_contrast_differs_by_a_factor_only_and_so_not_at_all():
    image = textured()
    comparison = compare(small_subject(t1w=image), harmonized(40 * image), "t1w", "t1w", None)
    assert comparison.before is not None
    np.testing.assert_allclose(comparison.before, comparison.harmonized, rtol=1e-5)
    inside = comparison.harmonized[comparison.inside]
    assert np.percentile(inside, 99.5) == pytest.approx(1)


def test_target_keeps_its_ratio_to_the_harmonized_image():
    image = textured()
    comparison = compare(small_subject(t1w=image), harmonized(40 * image), "t1w", "t1w", torch.from_numpy(20 * image))
    assert comparison.target is not None
    np.testing.assert_allclose(2 * comparison.target, comparison.harmonized, rtol=1e-5)


def test_sources_of_other_contrasts_have_a_white_of_their_own():
    comparison = compare(small_subject(flair=7 * textured(1)), harmonized(textured()), "t1w", "flair", None)
    assert comparison.before is None
    flair = comparison.sources["flair"]
    assert np.percentile(flair[flair > 0], 99.5) == pytest.approx(1)


def test_fat_around_a_brain_is_whiter_than_white():
    image = textured()
    head = image.copy()
    head[2], head[9] = 10, 10
    comparisons = [compare(small_subject(t1w=one), harmonized(one), "t1w", "t1w", None) for one in (image, head)]
    brain, whole = (each.harmonized for each in comparisons)
    assert whole.max() > 5
    np.testing.assert_allclose(whole[CUBE], brain[CUBE], rtol=1e-5)


def test_an_image_that_shows_nothing_in_the_middle_has_a_white():
    rim = np.zeros_like(textured())
    rim[0], rim[-1] = 3, 5
    comparison = compare(small_subject(t1w=rim), harmonized(rim), "t1w", "t1w", None)
    assert comparison.harmonized.max() == pytest.approx(1)


def test_everything_is_cut_to_a_box_around_what_shows():
    comparison = compare(small_subject(t1w=textured()), harmonized(textured()), "t1w", "t1w", None, margin=2)
    assert (comparison.box.low, comparison.box.high) == ((1, 1, 1), (11, 11, 11))
    assert comparison.harmonized.shape == comparison.inside.shape == (10, 10, 10)


def test_imputed_is_what_shows_and_the_reference_did_not():
    foreground = np.zeros((len(CONTRASTS), *SHAPE), bool)
    foreground[0], foreground[3] = CUBE, CUBE
    foreground[0, :6] = False
    result = harmonized(
        textured(),
        foreground=torch.from_numpy(foreground),
        visible=torch.from_numpy(CUBE)[None],
        attention=torch.full((len(CONTRASTS), *SHAPE), 0.5),
    )
    subject = small_subject(t1w=textured(1), flair=textured(2))
    of_t1w, of_flair = (compare(subject, result, "t1w", reference, None) for reference in ("t1w", "flair"))
    assert of_t1w.imputed is not None and of_flair.imputed is not None
    assert of_t1w.imputed.sum() == 3 * 36
    assert not of_flair.imputed.any()
    assert sorted(of_t1w.attention) == ["flair", "t1w"]


def test_a_method_that_gives_an_image_alone_can_be_shown():
    comparison = compare(small_subject(t1w=textured()), harmonized(textured()), "t1w", "t1w", None)
    assert (comparison.imputed, comparison.uncertainty, comparison.features) == (None, None, None)
    assert comparison.attention == {}


def test_an_empty_result_can_be_shown():
    comparison = compare(small_subject(t1w=textured()), harmonized(np.zeros(SHAPE, np.float32)), "t1w", "t1w", None)
    assert not comparison.harmonized.any()
    assert comparison.inside.sum() == CUBE.sum()


def test_box_holds_the_mask_and_a_margin_within_the_volume():
    mask = np.zeros((4, 5, 6), bool)
    mask[1, 2, 5] = True
    box = Box.around(mask, margin=2)
    assert (box.low, box.high) == ((0, 0, 3), (4, 5, 6))
    assert box.cut(mask).shape == (4, 5, 3)
    assert box.cut(mask)[1, 2, 2]


def test_box_knows_its_place_in_mni_space():
    box = Box((96, 132, 78), (100, 140, 90))
    assert [box.millimeters(axis, 0) for axis in range(3)] == [0, 0, 0]
    assert [box.millimeters(axis, 3) for axis in range(3)] == [-3, 3, 3]
    np.testing.assert_array_equal(box.affine @ [0, 0, 0, 1], GRID_AFFINE @ [96, 132, 78, 1])
