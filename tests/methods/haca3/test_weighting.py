from math import inf, nan

import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.haca3.weighting import check_weights, with_total


def test_total_is_the_weighted_sum_beside_the_terms_as_they_are():
    terms = {"far": torch.tensor(2.0), "near": torch.tensor(3.0)}
    losses = with_total(terms, {"near": 10.0, "far": 0.5, "unused": 7.0})
    assert {name: value.item() for name, value in losses.items()} == {"far": 2, "near": 3, "total": 31}


@pytest.mark.parametrize("weight", [-0.1, nan, inf, "1e-5"])
def test_what_is_no_weight_is_refused(weight):
    with pytest.raises(InputError, match=f"`kl` must be a number of at least 0, got {weight!r}"):
        check_weights(reconstruction=1.0, kl=weight)


def test_a_loss_of_nothing_is_refused():
    with pytest.raises(InputError, match="one of the weights theta, eta must be above 0, all are 0"):
        check_weights(theta=0.0, eta=0)
