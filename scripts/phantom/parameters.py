"""The handful of numbers and the seed that decide one simulated person."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .model import anatomy_model


@dataclass(frozen=True)
class SubjectParameters:
    """Everything that decides a subject; `affine` (3, 4) maps centred subject voxels to the template."""

    seed: int
    age: float
    lesion_load: float
    head: bool
    ventricle_mm: float
    sulcus_mm: float
    thinning_mm: float
    affine: tuple[tuple[float, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `json` can write."""
        return asdict(self)


def _at_age(curve: dict[str, float], age: float) -> float:
    return float(np.interp(age, [float(a) for a in curve], list(curve.values())))


def draw_subject(seed: int, age: float, lesion_load: float = 0.0, head: bool = False) -> SubjectParameters:
    """Draw one person; `lesion_load` in [0, 1] scales the number of MS lesions, `head` adds skull and scalp."""
    model = anatomy_model()
    rng = np.random.default_rng([seed, 1])
    linear = np.diag(np.exp(rng.normal(0, model["size_spread"], 3)))
    linear += rng.normal(0, model["shear_spread"], (3, 3)) * (1 - np.eye(3))
    x, y, z = np.deg2rad(rng.normal(0, model["rotation_deg"], 3))
    linear += np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    shift = rng.normal(0, model["translation_mm"], 3)
    affine = np.concatenate([linear, shift[:, None]], axis=1)
    return SubjectParameters(
        seed=seed,
        age=age,
        lesion_load=lesion_load,
        head=head,
        ventricle_mm=_at_age(model["ventricle_mm_at_age"], age) + rng.normal(0, model["ventricle_spread_mm"]),
        sulcus_mm=_at_age(model["sulcus_mm_at_age"], age) + rng.normal(0, model["sulcus_spread_mm"]),
        thinning_mm=_at_age(model["thinning_mm_at_age"], age),
        affine=tuple(tuple(float(v) for v in row) for row in affine),
    )
