"""Which artifact scores are usual: those of images without artifacts differ by contrast."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..jobs.targets import NamedTargets, StoredCode, read_named_targets
from ..methods.base import Method


def usual_scores(
    method: Method,
    named_targets: Path | str | NamedTargets | None,
    weights: str,
    head: bool,
    contrasts: Collection[str],
) -> dict[str, float]:
    """Of each contrast the mean score of the named targets, those of heads or of brains alone.

    A target that the method does not take says nothing. Empty where one of the contrasts has no named target that these
    `weights` made, since scores are only compared with each other.
    """
    targets = [] if named_targets is None else list(read_named_targets(named_targets).values())
    found: dict[str, list[float]] = {contrast: [] for contrast in contrasts}
    for target in targets:
        for contrast, stored in target.items():
            if contrast in found and stored.weights == weights and stored.head == head:
                found[contrast] += _severity(method, stored)
    return {contrast: float(np.mean(scores)) for contrast, scores in found.items()} if all(found.values()) else {}


def _severity(method: Method, stored: StoredCode) -> list[float]:
    try:
        severity = method.read_code(stored).severity()
    except InputError:
        return []
    return [] if severity is None else [severity]
