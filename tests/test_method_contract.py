"""One contract over every method: each configs/method_<name>.json, and the default of configs/inference.json."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.bundle import ConfigParser

from scripts.contrasts import CONTRASTS

CONFIGS = Path(__file__).parents[1] / "configs"
PARTS = ("network_def", "inferer", "preprocessing", "postprocessing")
OVERLAYS = sorted(CONFIGS.glob("method_*.json"))
SHAPE = (24, 22, 20)


class Method:
    """The parts of a method as the default inference config, or an overlay on it, defines them."""

    def __init__(self, overlay: Path | None) -> None:
        parser = ConfigParser()
        parser.read_config([str(file) for file in (CONFIGS / "inference.json", overlay) if file])
        self.network, self.inferer, self.preprocessing, self.postprocessing = map(parser.get_parsed_content, PARTS)

    def __call__(self, sources: np.ndarray, targets: np.ndarray, contrast: str) -> np.ndarray:
        """The sources (4, X, Y, Z) in the style of the targets (4, X, Y, Z), as (1, X, Y, Z)."""
        target = self.preprocessing(targets)[None, CONTRASTS.index(contrast), None]
        code = self.network.encode_target(target, contrast)
        return self.postprocessing(self.inferer(self.preprocessing(sources)[None], self.network, target=code)[0])


def visit(seed: int, gain: float = 1.0) -> np.ndarray:
    """Noisy images (4, X, Y, Z) of a ball of two tissues; around it everything is exactly 0."""
    position = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, size) for size in SHAPE], indexing="ij"))
    radius = np.sqrt((position**2).sum(axis=0))
    noise = np.random.default_rng(seed).normal(0, 20, (len(CONTRASTS), *SHAPE))
    tissues = np.where(radius < 0.75, 500, 300) + noise
    return (gain * tissues * (radius < 1)).astype(np.float32)


@pytest.fixture(scope="module", params=[None, *OVERLAYS], ids=lambda overlay: overlay.stem if overlay else "inference")
def method(request: pytest.FixtureRequest) -> Any:
    return Method(request.param)


def test_there_are_overlays():
    assert {"method_none", "method_mean_std", "method_nyul"} <= {overlay.stem for overlay in OVERLAYS}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.stem)
def test_overlay_defines_the_parts_of_a_method_and_nothing_else(overlay):
    assert tuple(ConfigParser.load_config_file(overlay)) == PARTS


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_output_is_finite_not_negative_and_zero_outside_the_brain(method, contrast):
    sources = visit(seed=1)
    output = method(sources, visit(seed=2, gain=3.0), contrast)
    assert output.shape == (1, *SHAPE)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    assert output.min() == 0 < output.max()
    assert not output[0, sources[CONTRASTS.index(contrast)] == 0].any()


def test_same_input_gives_same_output(method):
    sources, targets = visit(seed=1), visit(seed=2)
    np.testing.assert_array_equal(method(sources, targets, "t2w"), method(sources, targets, "t2w"))


def test_inputs_are_left_alone(method):
    sources, targets = visit(seed=1), visit(seed=2)
    method(sources, targets, "pd")
    np.testing.assert_array_equal(sources, visit(seed=1))
    np.testing.assert_array_equal(targets, visit(seed=2))


def test_target_harmonized_to_itself_is_itself(method):
    sources = visit(seed=1)
    output = method(sources, sources, "flair")
    np.testing.assert_allclose(output[0], sources[CONTRASTS.index("flair")], rtol=1e-4, atol=0.05)


@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if overlay.stem != "method_none"])
def test_output_is_in_the_targets_units(overlay):
    sources, targets = visit(seed=1), visit(seed=2, gain=7.0)
    output = Method(overlay)(sources, targets, "t1w")[0]
    assert output[output > 0].mean() == pytest.approx(targets[0][targets[0] > 0].mean(), rel=0.1)
