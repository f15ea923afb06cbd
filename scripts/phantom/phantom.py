"""The phantom as one object, which configs name and tests replace by a small one."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .scanner import Scanner


class PhantomParts(Protocol):
    """The four functions of which a phantom consists; it must be hashable by value, as a frozen dataclass is."""

    def __hash__(self) -> int: ...

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> Any:
        """Draw a subject's parameters, hashable and with `to_json`."""

    def render_subject(self, parameters: Any) -> Any:
        """Turn them into a subject with `tissues`, `regions`, `lesions`, `brain` and `warp`."""

    def acquire(self, subject: Any, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        """Scan the subject: (X, Y, Z) float32, non-negative."""

    def acquire_clean(
        self, subject: Any, scanner: Scanner, wanted: Scanner, contrast: str, visit_seed: int
    ) -> np.ndarray:
        """The visit to `scanner` as `wanted` would show it, without noise: likewise."""


@dataclass(frozen=True)
class Phantom:
    """The phantom of this package, imported when first used so that a bad plan is refused without delay."""

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> Any:
        """See `subject.py`."""
        from .subject import draw_subject

        return draw_subject(seed, age, lesion_load, head)

    def render_subject(self, parameters: Any) -> Any:
        """See `subject.py`."""
        from .subject import render_subject

        return render_subject(parameters)

    def acquire(self, subject: Any, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        """See `acquisition.py`."""
        from .acquisition import acquire

        return acquire(subject, scanner, contrast, visit_seed)

    def acquire_clean(
        self, subject: Any, scanner: Scanner, wanted: Scanner, contrast: str, visit_seed: int
    ) -> np.ndarray:
        """See `acquisition.py`."""
        from .acquisition import acquire_clean

        return acquire_clean(subject, scanner, wanted, contrast, visit_seed)
