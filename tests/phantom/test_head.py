import math

import numpy as np
import pytest
import torch

from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.phantom.deformation import identity
from scripts.phantom.head import draw_head, ellipsoid_level, head_model
from scripts.phantom.subject import Subject
from scripts.phantom.truth import WHITE

pytestmark = pytest.mark.xdist_group("phantom")


# Every other voxel tells enough of what is large.
HALF = (slice(None, None, 2),) * 3


@pytest.fixture(scope="session")
def millimetres(whole_head: Subject) -> torch.Tensor:
    """Template millimetres (3, x, y, z) of every other voxel."""
    voxels = identity(GRID_SHAPE) + torch.from_numpy(whole_head.warp)
    scale, offset = torch.tensor(np.diag(GRID_AFFINE)[:3]), torch.tensor(GRID_AFFINE[:3, 3])
    return (voxels[:, ::2, ::2, ::2] * scale[:, None, None, None] + offset[:, None, None, None]).float()


def test_level_of_a_ball_is_the_depth():
    points = torch.tensor([[1.0, 5.0, 14.0], [2.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    level = ellipsoid_level((1, 2, 3, 10, 10, 10, 25), points)
    torch.testing.assert_close(level, torch.tensor([10.0, 6.0, -3.0]))


def test_level_of_an_ellipsoid_vanishes_on_its_surface():
    # Tilted by 90 degrees about x, its y axis points to z.
    points = torch.tensor([[8.0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 6, 5.9]])
    level = ellipsoid_level((0, 0, 0, 8, 6, 4, 90), points)
    assert level[:3].abs().max() < 1e-4 and level[3] == pytest.approx(0.1, abs=0.01)


def test_same_seed_draws_the_same_head():
    assert draw_head(3) == draw_head(3)
    assert draw_head(3) != draw_head(4)


def test_layers_and_field_of_view_are_drawn_from_their_ranges():
    heads, model = [draw_head(seed) for seed in range(60)], head_model()
    for name, (low, high) in model["layers_mm"].items():
        drawn = [head.layers_mm[name] for head in heads]
        assert low <= min(drawn) < max(drawn) <= high
        assert max(drawn) - min(drawn) > 0.8 * (high - low)
    for axis, spans in enumerate(model["field_of_view_mm"].values()):
        for end, (low, high) in enumerate(spans):
            assert all(low <= head.field_of_view_mm[axis][end] <= high for head in heads)


def test_fat_differs_between_people_and_water_does_not():
    tissues = [draw_head(seed).tissues for seed in range(300)]
    logs = {kind: np.log([tissue[kind] for tissue in tissues]) for kind in ("fat", "vitreous")}
    spread = list(head_model()["tissue_spread"].values())
    np.testing.assert_allclose(logs["fat"].std(axis=0), spread, rtol=0.15)
    assert logs["vitreous"].std(axis=0).max() == pytest.approx(0, abs=1e-9)


def test_brain_is_left_alone(patient: Subject, whole_head: Subject):
    brain = patient.surface_mm > 1
    assert (patient.fluid - whole_head.fluid)[brain].abs().max() < 0.002
    solid = brain & (patient.fluid < 0.5)
    for name in ("pd", "t1", "t2"):
        ratio = getattr(whole_head.solid, name)[solid] / getattr(patient.solid, name)[solid]
        assert (ratio - 1).abs().max() < 0.02


def test_everything_is_finite(whole_head: Subject):
    solid = whole_head.solid
    assert solid.pd.min() >= 0 and solid.t1.min() > 0 and solid.t2.min() > 0
    assert all(values.isfinite().all() for values in (solid.pd, solid.t1, solid.t2, whole_head.fluid))
    assert whole_head.fluid.min() >= 0 and whole_head.fluid.max() <= 1


def test_air_around_the_head_holds_rician_noise(whole_head: Subject, head_images: dict[str, np.ndarray]):
    corner = (slice(0, 20), slice(0, 30), slice(150, None))
    assert whole_head.solid.pd[corner].max() < 1e-3 and whole_head.fluid[corner].max() < 1e-3
    # A window of apodization 0.3 keeps, per axis, the mean square of 1 - 0.3 sin^2 of noise: 1 - 0.3 + 0.09 * 3 / 8.
    kept = math.sqrt((1 - 0.3 + 0.09 * 3 / 8) ** 3)
    assert head_images["t1w"][corner].mean() == pytest.approx(0.03 * kept * math.sqrt(math.pi / 2), rel=0.03)


def test_skull_is_dark_and_scalp_bright_on_t1w(whole_head: Subject, head_images: dict[str, np.ndarray]):
    image, depth = head_images["t1w"], whole_head.surface_mm.numpy()
    above = np.zeros(GRID_SHAPE, dtype=bool)
    above[:, :, 120:] = True
    shells = [np.median(image[above & (depth < -mm) & (depth >= -mm - 1)]) for mm in range(25)]
    skull = int(np.argmin(shells[:10]))
    scalp = skull + int(np.argmax(shells[skull:]))
    assert shells[skull] < 0.4
    assert shells[scalp] > 1.2 and 3 < scalp < 20
    assert shells[24] < 0.1


def test_eyes_are_dark_on_t1w_and_bright_on_t2w(whole_head: Subject, head_images, millimetres: torch.Tensor):
    eyes = [part.ellipsoid for part in draw_head(whole_head.parameters.seed).parts if part.kind == "vitreous"]
    assert len(eyes) == 2
    ratio = {}
    for ellipsoid in eyes:
        globe = (ellipsoid_level(ellipsoid, millimetres) > 4).numpy()
        assert globe.sum() > 60
        for contrast, image in head_images.items():
            ratio[contrast] = np.median(image[HALF][globe]) / np.median(image[whole_head.tissues == WHITE])
        assert ratio["t1w"] < 0.6 and ratio["t2w"] > 2


def test_sinuses_hold_air(whole_head: Subject, millimetres: torch.Tensor):
    parts = draw_head(whole_head.parameters.seed).parts
    cavities = [part.ellipsoid for part in parts if part.kind == "air" and part.cells_mm is None]
    hollow = torch.stack([ellipsoid_level(ellipsoid, millimetres) > 1.5 for ellipsoid in cavities]).any(dim=0)
    hollow &= whole_head.surface_mm[HALF] < -8
    assert hollow.sum() > 600
    assert (whole_head.solid.pd + whole_head.fluid)[HALF][hollow].max() < 0.02


def test_nothing_lies_outside_the_field_of_view(whole_head: Subject, millimetres: torch.Tensor):
    spans = draw_head(whole_head.parameters.seed).field_of_view_mm
    # The brain and the fluid around it are always in view.
    outside = whole_head.surface_mm[HALF] < -8
    for axis, (low, high) in zip(millimetres, spans, strict=True):
        beyond = outside & ((axis < low - 4) | (axis > high + 4))
        assert not (whole_head.solid.pd + whole_head.fluid)[HALF][beyond].gt(0.01).any()


def test_bone_and_marrow_make_up_the_skull(whole_head: Subject):
    t2 = whole_head.solid.t2.numpy()
    band = (whole_head.surface_mm.numpy() < -3) & (whole_head.surface_mm.numpy() > -7)
    band[:, :, :120] = False
    short = np.mean(t2[band] < 0.02)
    assert 0.2 < short < 0.98
