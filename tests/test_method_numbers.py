"""What holds of the numbers that every method gives: the same bits again, and the units of the target."""

import numpy as np
import pytest

from scripts.base.weights import load_weights, save_weights

from .test_method_contract import CLASSICAL, TRAINED, WITH_TARGET, Method, channel, name, visit


@pytest.mark.parametrize("overlay", [*TRAINED, *CLASSICAL], ids=name)
def test_the_same_inputs_give_the_same_bits(overlay):
    sources, methods = visit(seed=1), (Method(overlay), Method(overlay))
    outputs = [method.harmonize(sources, method.two_targets()) for method in methods]
    for first, second in zip(*outputs, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("overlay", TRAINED, ids=name)
def test_weights_that_are_saved_and_read_give_the_same_bits(overlay, tmp_path):
    method, other = Method(overlay), Method(overlay, seed=7)
    sources = visit(seed=1)
    (output,) = method.harmonize(sources, method.two_targets()[:1])
    assert (other.harmonize(sources, other.two_targets()[:1])[0] != output).any()
    for number, (network, filled) in enumerate(zip(method.weights.networks, other.weights.networks, strict=True)):
        save_weights(network.state_dict(), tmp_path / f"{number}.pt")
        load_weights(filled, tmp_path / f"{number}.pt")
    np.testing.assert_array_equal(other.harmonize(sources, other.two_targets()[:1])[0], output)


@pytest.mark.parametrize("overlay", CLASSICAL, ids=name)
def test_target_harmonized_to_itself_is_itself(overlay):
    sources = visit(seed=1)
    (output,) = Method(overlay)(sources, {"flair": channel(sources, "flair")})
    np.testing.assert_allclose(output[0], channel(sources, "flair"), rtol=1e-4, atol=0.05)


@pytest.mark.parametrize("overlay", [o for o in CLASSICAL if o.stem != "method_none"], ids=name)
def test_output_is_in_the_targets_units(overlay):
    sources, target = visit(seed=1), channel(visit(seed=2, gain=7.0), "t1w")
    (output,) = Method(overlay)(sources, {"t1w": target})
    assert output[output > 0].mean() == pytest.approx(target[target > 0].mean(), rel=0.1)


@pytest.mark.parametrize("overlay", WITH_TARGET, ids=name)
def test_gain_of_the_target_is_that_of_the_output(overlay):
    sources, target = visit(seed=1), channel(visit(seed=2), "t1w")
    (once,), (sevenfold,) = (Method(overlay)(sources, {"t1w": gain * target}) for gain in (1, 7))
    # Random weights make no likeness, but the gain of a target changes nothing else.
    np.testing.assert_allclose(sevenfold, 7 * once, rtol=1e-3, atol=0.1)
