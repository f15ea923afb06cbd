import pytest
import torch

from scripts.base.contrasts import CONTRASTS
from scripts.bench.precision import rows


def test_each_contrast_is_compared_with_single_precision_inside_the_brain():
    generator = torch.Generator().manual_seed(1)
    exact = [torch.rand(16, 16, 16, generator=generator) for _ in CONTRASTS]
    brain = torch.zeros(16, 16, 16, dtype=torch.bool)
    brain[2:14, 2:14, 2:14] = True
    # What is wrong outside of the brain does not count.
    rounded = [image + 0.01 * number + (~brain).float() for number, image in enumerate(exact, start=1)]
    found = rows(exact, rounded, brain)
    assert [contrast for contrast, *_ in found] == list(CONTRASTS)
    assert [float(decibels) for _, decibels, _ in found] == pytest.approx([40.0, 34.0, 30.5, 28.0], abs=0.06)
    assert all(0.99 < float(similarity) < 1 for *_, similarity in found)
