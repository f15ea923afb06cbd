from dataclasses import dataclass

import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.bench.known_motions import furthest, motion
from scripts.registration.rigid import Registered, RigidRegistration

CENTER = (5.0, -5.0, 10.0)
SHAPE = (48, 50, 46)
AFFINE = np.array([[4.0, 0, 0, -94], [0, 4.0, 0, -98], [0, 0, 4.0, -90], [0, 0, 0, 1]])
REGION = np.random.default_rng(0).uniform(-60, 60, (3, 20000))
# Ellipsoids by center, half axes in mm, and intensity in two contrasts: of a head that looks the same from nowhere.
PARTS = [
    ((0, 0, 0), (68, 82, 62), (60.0, 150.0)),
    ((0, 0, 5), (58, 70, 52), (100.0, 90.0)),
    ((-25, 20, 10), (18, 25, 15), (140.0, 60.0)),
    ((22, -30, 15), (15, 20, 25), (30.0, 240.0)),
    ((10, 35, -20), (20, 12, 14), (120.0, 75.0)),
    ((-20, -40, -15), (16, 14, 20), (45.0, 200.0)),
]
REGISTRATION = RigidRegistration(
    sizes_mm=(8.0, 4.0), points=(1500, 6000), starts=((3, 1),), turns_deg=(-20.0, 0.0, 20.0), shifts_mm=(0.0,)
)


@dataclass(frozen=True)
class Head:
    voxels: np.ndarray
    affine: np.ndarray


def draw_head(contrast: int, to_head: np.ndarray, affine: np.ndarray = AFFINE, seed: int = 0) -> Head:
    """Drawn where it is, so that nothing is interpolated; edges are 3 mm wide."""
    places = np.einsum("ij,jxyz->ixyz", (to_head @ affine)[:3, :3], np.indices(SHAPE))
    places += (to_head @ affine)[:3, 3, None, None, None]
    voxels = np.zeros(SHAPE)
    for center, half_axes, values in PARTS:
        from_center = [(place - c) / h for place, c, h in zip(places, center, half_axes, strict=True)]
        radius = np.sqrt(sum(each**2 for each in from_center))
        share = np.clip(0.5 + (1 - radius) * min(half_axes) / 3, 0, 1)
        voxels += share * (values[contrast] - voxels)
    noise = np.random.default_rng(seed).normal(0, 3, SHAPE)
    return Head(np.maximum(voxels + noise, 0).astype(np.float32), affine)


@pytest.mark.parametrize(
    ("contrast", "truth"),
    [(0, motion((12, -8, 15), (20, -10, 15), CENTER)), (1, motion((-15, 10, -20), (-25, 15, 10), CENTER))],
    ids=["same contrast", "other contrast"],
)
def test_a_known_motion_is_found_within_a_millimeter(contrast, truth):
    # `truth` takes the fixed head's world to the moving one's.
    moving = draw_head(contrast, np.linalg.inv(truth), seed=1)
    registered = REGISTRATION(draw_head(0, np.eye(4)), moving, REGION)
    assert furthest(np.eye(4), truth, REGION) > 20
    assert furthest(registered.matrix, truth, REGION) < 1
    assert registered.overlap > 0.9


def test_the_score_of_noise_is_far_lower_and_refused():
    fixed = draw_head(0, np.eye(4))
    noise = Head(np.random.default_rng(2).random(SHAPE, np.float32), AFFINE)
    quick = RigidRegistration(sizes_mm=(8.0,), points=(3000,), starts=((1,),), turns_deg=(0.0,), shifts_mm=(0.0,))
    with torch.inference_mode():
        good, bad = (quick(fixed, moving, REGION) for moving in (draw_head(1, np.eye(4), seed=1), noise))
    assert 1 <= bad.score < 1.05 < good.score
    good.accept(1.05, "b.nii", "a.nii")
    with pytest.raises(InputError, match=r"b.nii could not be registered to a.nii: the score must be at least 1.05"):
        bad.accept(1.05, "b.nii", "a.nii")


def test_more_starts_are_tried_where_few_do_not_agree(monkeypatch):
    scores = {(3, 1): 1.01, (9, 2): 1.2, (27, 3): 1.3}
    tried: list[tuple[int, ...]] = []

    def register(self, fixed, moving, where, scaled, starts):
        tried.append(starts)
        return Registered(np.eye(4), scores[starts], 1.0)

    monkeypatch.setattr(RigidRegistration, "_register", register)
    fixed = draw_head(0, np.eye(4))
    assert RigidRegistration(starts=tuple(scores), enough=1.1)(fixed, fixed, REGION).score == 1.2
    assert tried == [(3, 1), (9, 2)]
    # Of tries that all fail the best is told.
    assert RigidRegistration(starts=((9, 2), (3, 1)), enough=1.25)(fixed, fixed, REGION).score == 1.2


def test_a_refusal_tells_score_and_overlap():
    expected = r"it is 1.0123 with 46% of the region in view"
    with pytest.raises(InputError, match=expected):
        Registered(np.eye(4), 1.01234, 0.456).accept(1.1, "flair", "t1w")
