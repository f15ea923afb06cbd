"""Terms of a loss put together by weights that a config sets."""

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor

from ...base.errors import InputError


def check_weights(**weights: float) -> dict[str, float]:
    """Return the weights by name; refuse any that is not a number of at least 0, and weights that are all 0."""
    for name, weight in weights.items():
        # YAML reads 1e-5, without a point, as a string.
        if isinstance(weight, str) or not (isfinite(weight) and weight >= 0):
            raise InputError(f"`{name}` must be a number of at least 0, got {weight!r}")
    if not any(weights.values()):
        raise InputError(f"one of the weights {', '.join(weights)} must be above 0, all are 0")
    return weights


def with_total(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """The terms as they are, and `total`, the sum of each times its weight."""
    weighted = [weights[name] * term for name, term in terms.items()]
    return {**terms, "total": torch.stack(weighted).sum()}
