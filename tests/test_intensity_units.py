"""The unit of intensity means nothing in MR: no method may depend on it, from 1e-30 to 1e30."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from scripts.images.nifti import read_nifti
from scripts.images.sources import read_sources
from scripts.preprocessing.background import remove_background
from scripts.preprocessing.bias_correction import BiasCorrection
from scripts.preprocessing.intensity_scale import scale_by_percentile

from .harmonize.tiny_subjects import write_ball, write_image
from .test_method_contract import CLASSICAL, TRAINED, WITHOUT_TARGET, Method, channel, name, visit

POWERS = st.floats(-30, 30)
# A network takes seconds: examples are few, and a failing one is reported as it is.
FEW = settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
method_of = cache(Method)
# The other trained methods prepare images as the default one does.
METHODS = [*TRAINED[:1], *WITHOUT_TARGET, *CLASSICAL]


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found / expected.max(), expected / expected.max(), atol=1e-3)


@pytest.mark.parametrize("overlay", METHODS, ids=name)
@given(power=POWERS)
@example(power=-30)
@example(power=30)
@FEW
def test_the_unit_of_the_sources_changes_nothing(overlay, power):
    method, sources = method_of(overlay), visit(seed=1)
    code = method.two_targets()[:1]
    (expected,), (found,) = (method.harmonize(gain * sources, code) for gain in (1, np.float32(10**power)))
    if overlay is not None and overlay.stem == "method_none":
        found = found / np.float32(10**power)
    assert_alike(found, expected)


@pytest.mark.parametrize("overlay", [o for o in METHODS if o not in WITHOUT_TARGET], ids=name)
@given(power=POWERS)
@example(power=-30)
@example(power=30)
@FEW
def test_the_unit_of_the_target_is_that_of_the_output(overlay, power):
    method, sources, target = method_of(overlay), visit(seed=1), channel(visit(seed=2), "t1w")
    gain = np.float32(1 if name(overlay) == "method_none" else 10**power)
    (expected,), (found,) = (method(sources, {"t1w": factor * target}) for factor in (1, gain))
    assert_alike(found / gain, expected)


@given(power=st.integers(-100, 100))
@settings(max_examples=50, deadline=None)
def test_a_power_of_two_changes_no_bit_of_what_is_scaled(power):
    volume, factor = torch.from_numpy(visit(seed=3)[0]), 2.0**power
    (scaled, divisor), (again, larger) = (scale_by_percentile(gain * volume) for gain in (1, factor))
    assert torch.equal(scaled, again) and larger == factor * divisor
    assert torch.equal(remove_background(factor * volume, 2), factor * remove_background(volume, 2))


@pytest.mark.parametrize(("gain", "tolerance"), [(2.0**-99, 0), (2.0**99, 0), (1e-30, 5e-3), (1e30, 5e-3)])
def test_corrections_see_no_unit(tmp_path, gain, tolerance):
    # What a rounding makes of N4's histogram is more than a rounding.
    ball = write_ball(tmp_path / "a.nii.gz", seed=1)
    voxels = read_nifti(ball).voxels + np.float32(1)
    stacks = []
    for factor in (1, gain):
        write_image(ball, factor * voxels)
        stacks.append(read_sources({"t1w": ball}, [BiasCorrection()]).stack[0])
    np.testing.assert_allclose(stacks[1] / np.float32(gain), stacks[0], rtol=0, atol=tolerance * stacks[0].max())
