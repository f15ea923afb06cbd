"""Random draws that several laws have in common."""

from collections.abc import Sequence

import numpy as np


def between(rng: np.random.Generator, ends: Sequence[float]) -> float:
    """A number between the lowest and the highest value, all equally likely."""
    low, high = ends
    return float(rng.uniform(low, high))
