"""One contract over every method: each configs/method_<name>.json, and the default of configs/inference.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from scripts.contrasts import CONTRASTS
from scripts.inferers.harmonization import HarmonizationInferer

CONFIGS = Path(__file__).parents[1] / "configs"
PARTS = ("network_def", "weights", "inferer", "preprocessing", "postprocessing")
OVERLAYS = sorted(CONFIGS.glob("method_*.json"))
# Overlays that bring another network; the others change a part of the default one, which here has random weights.
CLASSICAL = [overlay for overlay in OVERLAYS if "network_def" in ConfigParser.load_config_file(overlay)]
TRAINED = [None, *(overlay for overlay in OVERLAYS if overlay not in CLASSICAL)]
SHAPE = (16, 15, 14)
# Makes the default quick: narrow networks, a field of view that holds the small volumes, no fusion net, which sees a
# whole cube.
NARROW: Mapping[str, Any] = {
    "random_weights": True,
    "device": "cpu",
    "network_def#field_of_view": 96,
    "network_def#anatomy_base": 1,
    "network_def#decoder#base": 2,
    "network_def#target_slices": 4,
    "fusion": {"_target_": "scripts.inferers.fusing.MedianFusion"},
    "preprocessing#transforms#1#radius": 2,
}


class Method:
    """The parts of a method as the default inference config, or an overlay on it, defines them."""

    def __init__(self, overlay: Path | None) -> None:
        parser = ConfigParser()
        parser.read_config([str(file) for file in (CONFIGS / "inference.json", overlay) if file])
        if overlay in TRAINED:
            parser.update(NARROW)
        self.network, weights, self.inferer, self.preprocessing, self.postprocessing = map(
            parser.get_parsed_content, PARTS
        )
        weights.load()

    def __call__(self, sources: np.ndarray, targets: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The sources (4, X, Y, Z) in the style of targets (X, Y, Z), as (1, X, Y, Z) each."""
        data, codes, scales = prepared(self.preprocessing, sources), [], []
        for contrast, target in targets.items():
            channel = CONTRASTS.index(contrast)
            stack = np.zeros_like(sources)
            stack[channel] = target
            described = prepared(self.preprocessing, stack)
            codes.append(self.network.encode_target(described["image"][None, channel, None], contrast))
            scales.append(float(described["scale"][channel]) if "scale" in described else None)
        results = self.inferer.harmonize(data["image"], self.network, codes, data["available"])
        outputs = [{**data, "pred": r.image, "target_scale": s} for r, s in zip(results, scales, strict=True)]
        return [self.postprocessing(output)["pred"].numpy() for output in outputs]


def prepared(preprocessing: Any, stack: np.ndarray) -> dict[str, Any]:
    available = torch.from_numpy(stack.any(axis=(1, 2, 3)))
    return preprocessing({"image": torch.from_numpy(stack), "available": available})


def visit(seed: int, gain: float = 1.0) -> np.ndarray:
    """Noisy images (4, X, Y, Z) of a ball of two tissues; around it everything is exactly 0."""
    position = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, size) for size in SHAPE], indexing="ij"))
    radius = np.sqrt((position**2).sum(axis=0))
    noise = np.random.default_rng(seed).normal(0, 20, (len(CONTRASTS), *SHAPE))
    tissues = np.where(radius < 0.75, 500, 300) + noise
    return (gain * tissues * (radius < 1)).astype(np.float32)


def name(overlay: Path | None) -> str:
    return overlay.stem if overlay else "inference"


def channel(stack: np.ndarray, contrast: str) -> np.ndarray:
    return stack[CONTRASTS.index(contrast)]


@pytest.fixture(scope="module", params=[*TRAINED, *CLASSICAL], ids=name)
def method(request: pytest.FixtureRequest) -> Method:
    return Method(request.param)


def test_there_are_overlays():
    assert {"method_none", "method_mean_std", "method_nyul"} <= {overlay.stem for overlay in CLASSICAL}


@pytest.mark.parametrize("overlay", CLASSICAL, ids=name)
def test_overlay_with_a_network_defines_all_parts_of_a_method_and_nothing_else(overlay):
    assert tuple(ConfigParser.load_config_file(overlay)) == PARTS


@pytest.mark.parametrize("overlay", TRAINED[1:], ids=name)
def test_overlay_without_a_network_changes_nothing_but_parts_of_a_method(overlay):
    assert {key.partition("#")[0] for key in ConfigParser.load_config_file(overlay)} <= set(PARTS)


@pytest.mark.parametrize("overlay", [None, *OVERLAYS, CONFIGS / "encode.json"], ids=name)
def test_a_run_has_one_network(overlay):
    parser = ConfigParser()
    parser.read_meta(str(CONFIGS / "metadata.json"))
    parser.read_config([str(file) for file in (CONFIGS / "inference.json", overlay) if file])
    parser.update({**({} if overlay in CLASSICAL else NARROW), "device": "cpu", "jobs": []})
    run = "encoding" if "encoding" in parser else "evaluator"
    network, *others = map(parser.get_parsed_content, ("network", "network_def", "target_preparation", run))
    assert [getattr(other, "network", other) is network for other in others] == [True] * 3
    filled = parser.get_parsed_content("weights").networks
    assert (not filled) if overlay in CLASSICAL else (filled[0] is network)


def test_inferer_is_one_that_harmonizes(method):
    assert isinstance(method.inferer, HarmonizationInferer)


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_output_is_finite_not_negative_and_zero_outside_the_brain(method, contrast):
    sources = visit(seed=1)
    (output,) = method(sources, {contrast: channel(visit(seed=2, gain=3.0), contrast)})
    assert output.shape == (1, *SHAPE)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    assert output.min() == 0 < output.max()
    assert not output[0, channel(sources, contrast) == 0].any()


def test_every_target_gives_its_own_output_whatever_the_others_are(method):
    sources, targets = visit(seed=1), visit(seed=2)
    chosen = {contrast: channel(targets, contrast) for contrast in ("t1w", "flair")}
    together = method(sources, chosen)
    np.testing.assert_array_equal(method(sources, {"flair": chosen["flair"]})[0], together[1])
    assert (together[0] != together[1]).any()


def test_missing_contrast_is_no_source(method):
    sources = visit(seed=1)
    sources[CONTRASTS.index("pd")] = 0
    (output,) = method(sources, {"t1w": channel(visit(seed=2), "t1w")})
    assert np.isfinite(output).all()
    assert output.max() > 0


def test_inferer_takes_a_batch_as_monai_does(method):
    sources, targets = visit(seed=1), visit(seed=2)
    data = prepared(method.preprocessing, sources)
    style = prepared(method.preprocessing, targets)
    code = method.network.encode_target(style["image"][None, 0, None], "t1w")
    batch = method.inferer(data["image"][None], method.network, target=code)
    assert batch.shape == (1, 1, *SHAPE)
    torch.testing.assert_close(batch[0], method.inferer.harmonize(data["image"], method.network, [code])[0].image)


def test_inputs_are_left_alone(method):
    sources, targets = visit(seed=1), visit(seed=2)
    method(sources, {"pd": channel(targets, "pd")})
    np.testing.assert_array_equal(sources, visit(seed=1))
    np.testing.assert_array_equal(targets, visit(seed=2))


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


@pytest.mark.parametrize("overlay", TRAINED, ids=name)
def test_gain_of_the_target_is_that_of_the_output(overlay):
    sources, target = visit(seed=1), channel(visit(seed=2), "t1w")
    (once,), (sevenfold,) = (Method(overlay)(sources, {"t1w": gain * target}) for gain in (1, 7))
    # Random weights make no likeness, but the gain of a target changes nothing else.
    np.testing.assert_allclose(sevenfold, 7 * once, rtol=1e-3, atol=0.1)
