"""Every method on a device that is not the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

from .pretended_gpu import pretended_gpu
from .test_method_contract import CLASSICAL, TRAINED, Method, name, visit


def test_a_pretended_gpu_refuses_what_a_gpu_refuses():
    with pretended_gpu() as device:
        there = torch.arange(3.0).to(device)
        assert there.device == device
        assert (there + 1).cpu().tolist() == [1, 2, 3]
        with pytest.raises(RuntimeError, match="tensors must be on one device"):
            there + torch.arange(3.0)
        with pytest.raises(TypeError, match="copied to the CPU first"):
            there.numpy()


@pytest.mark.parametrize("overlay", [*TRAINED, *CLASSICAL], ids=name)
def test_a_method_gives_the_same_on_a_gpu_as_on_the_cpu(overlay: Path | None):
    here = Method(overlay)
    codes = here.two_targets()
    expected = here.harmonize(visit(seed=1), codes)
    with pretended_gpu() as device:
        there = Method(overlay, device=str(device))
        found = there.harmonize(visit(seed=1), there.two_targets())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3 * other.max())
