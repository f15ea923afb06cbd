from math import log

import pytest
import torch

from scripts.methods.haca3.tissue import tissue_loss
from scripts.training.scans import UNKNOWN


def likelihoods(*rows: list[float]) -> torch.Tensor:
    """Logits (1, 1, K, 1, W) of one source, a pixel for each row."""
    return torch.tensor(rows).log().T[None, None, :, None]


def test_it_is_the_mean_surprise_over_pixels_with_a_tissue():
    logits = likelihoods([0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1])
    tissues = torch.tensor([[[[1, 2, 0, UNKNOWN]]]])
    found = tissue_loss(logits, torch.ones(1, 1, 1, 4, dtype=torch.bool), tissues)
    assert found.item() == pytest.approx(-(log(0.5) + log(0.8)) / 2)


def test_what_a_source_does_not_show_does_not_count():
    logits = torch.cat([likelihoods([0.5, 0.5], [0.5, 0.5]), likelihoods([0.9, 0.1], [0.9, 0.1])], dim=1)
    foreground = torch.tensor([[[[True, True]], [[True, False]]]])
    found = tissue_loss(logits, foreground, torch.ones(1, 1, 1, 2, dtype=torch.int8))
    assert found.item() == pytest.approx(-(2 * log(0.5) + log(0.1)) / 3)


def test_without_any_tissue_it_is_zero_with_a_gradient():
    logits = torch.randn(1, 2, 3, 4, 4, requires_grad=True)
    loss = tissue_loss(logits, torch.ones(1, 2, 4, 4, dtype=torch.bool), torch.full((1, 1, 4, 4), UNKNOWN))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
