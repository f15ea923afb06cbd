"""One contract over every method: each configs/method_<name>.json, and the default of configs/inference.json."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError, find_cause
from scripts.harmonize.targets import scale_of
from scripts.inferers.harmonization import HarmonizationInferer
from scripts.jobs.targets import StoredCode, read_target_code, write_target_code
from scripts.methods.base import Code

from .methods.mmh.tiny import NETWORK

CONFIGS = Path(__file__).parents[1] / "configs"
NETWORK_PARTS = ("network_def", "method", "weights", "inferer")
PARTS = (*NETWORK_PARTS, "preprocessing", "postprocessing")
# What HACA3 sets otherwise than the default.
OPTIONS = {"precision", "workers", "named_targets"}
OVERLAYS = sorted(CONFIGS.glob("method_*.json"))


def keys_of(overlay: Path) -> dict[str, Any]:
    return ConfigParser.load_config_file(overlay)


# Overlays that bring another network; the others change a part of the default one.
OWN_NETWORK = [overlay for overlay in OVERLAYS if "network_def" in keys_of(overlay)]
CLASSICAL = [o for o in OWN_NETWORK if keys_of(o)["network_def"]["_target_"].startswith("scripts.methods.classical.")]
# Here these have random weights.
TRAINED = [None, *(overlay for overlay in OVERLAYS if overlay not in CLASSICAL)]
WITHOUT_TARGET = [overlay for overlay in OVERLAYS if "middle_ground" in keys_of(overlay)]
WITH_TARGET = [overlay for overlay in TRAINED if overlay not in WITHOUT_TARGET]
SHAPE = (16, 15, 14)
# Makes networks quick: narrow ones, for HACA3 a field of view that holds the small volumes and no fusion net, which
# sees a whole cube.
NARROW_DEFAULT: Mapping[str, Any] = {
    "network_def#code#theta": 4,
    "network_def#anatomy#free": 2,
    "network_def#condition": 8,
    "network_def#anatomy#widths": [4, 6],
    **{f"network_def#{part}_widths": [4, 6] for part in ("decoder", "identity", "artifact")},
    "precision": "fp32",
    "background#radius": 2,
    # Random weights redraw nothing, and would not be trusted.
    "trust": None,
}
NARROW_DIFFUSION: Mapping[str, Any] = {
    **NETWORK,
    "middle_ground": ["t1w", "flair"],
    "precision": "fp32",
    "network_def#grid#shape": [8, 8, 8],
    "steps_up": 2,
    "middle": 2,
    "steps_down": 1,
}
NARROW_NETWORK: Mapping[str, Mapping[str, Any]] = {
    "method_haca3": {
        "network_def#field_of_view": 96,
        "network_def#encoders#anatomy#base": 1,
        "network_def#decoder#base": 2,
        "network_def#target_slices": 4,
        "fusion": {"_target_": "scripts.methods.haca3.fusing.MedianFusion"},
        "background#radius": 2,
    },
    "method_mispel": {"network_def#width": 2},
    "method_ssim": {
        **{f"network_def#sizes#{name}": 2 for name in ("width", "blocks", "noise", "hidden")},
        **{f"network_def#sizes#{name}": 3 for name in ("edge_kernel", "up_kernel")},
        "styles": [["site:A"], ["site:B"]],
        "field": [8, 8, 8],
        "background#radius": 2,
    },
    "method_mmh": NARROW_DIFFUSION,
    "method_mmh_small": NARROW_DIFFUSION,
}


def narrow(overlay: Path | None) -> dict[str, Any]:
    """What makes a method quick, and random where it is trained."""
    if overlay in CLASSICAL:
        return {"device": "cpu"}
    small = NARROW_NETWORK[overlay.stem] if overlay in OWN_NETWORK else NARROW_DEFAULT
    return {"random_weights": True, "device": "cpu", **small}


class Method:
    """The parts of a method as the default inference config, or an overlay on it, defines them."""

    def __init__(self, overlay: Path | None, **changes: Any) -> None:
        parser = ConfigParser()
        parser.read_config([str(file) for file in (CONFIGS / "inference.json", overlay) if file])
        parser.update({**narrow(overlay), **changes})
        self.network, self.method, self.weights, self.inferer, self.preprocessing, self.postprocessing = map(
            parser.get_parsed_content, PARTS
        )
        self.ground = parser.get_parsed_content("middle_ground")
        self.weights.load()

    def __call__(self, sources: np.ndarray, targets: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The sources (4, X, Y, Z) in the style of targets (X, Y, Z), as (1, X, Y, Z) each."""
        return self.harmonize(sources, [self.encode(contrast, target) for contrast, target in targets.items()])

    def harmonize(self, sources: np.ndarray, codes: Sequence[Code]) -> list[np.ndarray]:
        """The same to targets that are codes."""
        data = prepared(self.preprocessing, sources)
        results = self.method.harmonize(data, codes)
        outputs = [{**data, "pred": r.image, "target_scale": c.scale} for r, c in zip(results, codes, strict=True)]
        return [self.postprocessing(output)["pred"].numpy(force=True) for output in outputs]

    def encode(self, contrast: str, target: np.ndarray) -> Code:
        """The code of a target; of a method without targets, that of its first scanner."""
        if self.ground:
            return self.method.middle_ground(contrast, self.scanners[0])
        channel = CONTRASTS.index(contrast)
        stack = np.zeros((len(CONTRASTS), *target.shape), np.float32)
        stack[channel] = target
        described = prepared(self.preprocessing, stack)
        return replace(self.method.encode(described["image"], contrast), scale=scale_of(described, channel))

    @property
    def scanners(self) -> Sequence[str | None]:
        """Those that a method without targets knows; any is as good as none to one that takes all."""
        return [None] if self.method.can.any_scanner else self.network.scanners

    def two_targets(self) -> list[Code]:
        """Two whose outputs are to differ: of two contrasts, or the ways of two scanners to the middle ground."""
        if self.ground and self.method.can.any_scanner:
            return [self.method.middle_ground(contrast, None) for contrast in self.ground[:2]]
        if self.ground:
            return [self.method.middle_ground(self.ground[0], s) for s in self.scanners[:2]]
        if len(self.method.can.contrasts) == 1:
            return [self.encode("t1w", channel(visit(seed), "t1w")) for seed in (2, 3)]
        return [self.encode(contrast, channel(visit(seed=2), contrast)) for contrast in ("t1w", "flair")]


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


@pytest.fixture(scope="module")
def method_of() -> Callable[[Path | None], Method]:
    return cache(Method)


@pytest.fixture(scope="module", params=[*TRAINED, *CLASSICAL], ids=name)
def method(request: pytest.FixtureRequest, method_of: Callable[[Path | None], Method]) -> Method:
    return method_of(request.param)


@pytest.mark.parametrize("overlay", [None, *OVERLAYS, CONFIGS / "encode.json"], ids=name)
def test_a_run_has_one_network(overlay):
    parser = ConfigParser()
    parser.read_meta(str(CONFIGS / "metadata.json"))
    parser.read_config([str(file) for file in (CONFIGS / "inference.json", overlay) if file])
    parser.update({**narrow(overlay), "jobs": []})
    run = "encoding" if "encoding" in parser else "evaluator"
    network, *others = map(parser.get_parsed_content, ("network", "network_def", "method", run))
    assert [getattr(getattr(other, "method", other), "network", other) is network for other in others] == [True] * 3
    filled = parser.get_parsed_content("weights").networks
    assert (not filled) if overlay in CLASSICAL else (filled[0] is network)


def test_inferer_is_one_that_harmonizes(method):
    assert isinstance(method.inferer, HarmonizationInferer)


def test_what_a_method_can_do_is_what_it_does(method):
    can, stored = method.method.can, StoredCode("t1w", {"numbers": [1.0]}, name="mine")
    if can.targets:
        with pytest.raises(InputError, match="middle_ground"):
            method.method.middle_ground("t1w", "A")
    else:
        assert method.ground
        with pytest.raises(InputError, match=f"{method.method.name} brings all scans to a middle ground"):
            method.method.encode(torch.zeros(len(CONTRASTS), *SHAPE), "t1w")
    if not can.stored_codes:
        with pytest.raises(InputError, match="got the code mine"):
            method.method.read_code(stored)
    if can.targets and not can.imputes:
        sources, lacking = visit(seed=1), can.contrasts[-1]
        sources[CONTRASTS.index(lacking)] = 0
        with pytest.raises(InputError, match="missing or empty"):
            method(sources, {lacking: channel(visit(seed=2), lacking)})
    for contrast in set(CONTRASTS) - {*can.contrasts}:
        with pytest.raises(InputError, match=f"`contrast` must be .*{can.contrasts[0]}, got {contrast}"):
            method.method.encode(torch.zeros(len(CONTRASTS), *SHAPE), contrast)


def test_targets_that_are_known_by_name_are_codes_that_the_method_reads(method):
    for name, codes in method.method.named_targets.items():
        for contrast, stored in codes.items():
            code = method.method.read_code(stored)
            assert (code.contrast, code.name) == (contrast, name)
            assert contrast in method.method.can.contrasts
            assert method.harmonize(visit(seed=1), [code])[0].max() > 0


def test_a_code_that_can_be_stored_comes_back_from_its_file_and_does_the_same(method, tmp_path):
    if not method.method.can.stored_codes:
        pytest.skip("codes of this method are not kept")
    sources, code = visit(seed=1), method.two_targets()[0]
    write_target_code(tmp_path / "code.json", code.to_json())
    again = method.method.read_code(read_target_code(tmp_path / "code.json"))
    assert again.to_json() == code.to_json()
    np.testing.assert_array_equal(method.harmonize(sources, [again])[0], method.harmonize(sources, [code])[0])
    mean = type(code).mean([code, code], origin="both", weights="w", name="twice")
    assert (mean.origin, mean.weights, mean.name, mean.contrast) == ("both", "w", "twice", "t1w")
    for what, numbers in code.describe().items():
        assert mean.describe()[what] == pytest.approx(numbers)


def test_code_of_another_method_is_refused(method):
    if method.method.can.stored_codes:
        with pytest.raises(InputError, match="target code mine: `method` must be .*, got crystal ball"):
            method.method.read_code(StoredCode("t1w", {"numbers": [1.0]}, name="mine", method="crystal ball"))


def test_names_of_methods_are_their_configs(method_of):
    assert {o.stem: method_of(o).method.name for o in OWN_NETWORK} == {
        o.stem: o.stem.removeprefix("method_") for o in OWN_NETWORK
    }


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_output_is_finite_not_negative_and_zero_outside_the_brain(method, contrast):
    if contrast not in (method.ground or method.method.can.contrasts):
        pytest.skip("this method harmonizes other contrasts")
    sources = visit(seed=1)
    (output,) = method(sources, {contrast: channel(visit(seed=2, gain=3.0), contrast)})
    assert output.shape == (1, *SHAPE)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    assert output.min() == 0 < output.max()
    assert not output[0, channel(sources, contrast) == 0].any()


def test_every_target_gives_its_own_output_whatever_the_others_are(method):
    sources, targets = visit(seed=1), method.two_targets()
    together = method.harmonize(sources, targets)
    np.testing.assert_array_equal(method.harmonize(sources, targets[1:])[0], together[1])
    assert (together[0] != together[1]).any()


def test_missing_contrast_is_no_source(method):
    sources = visit(seed=1)
    sources[CONTRASTS.index("pd")] = 0
    (output,) = method(sources, {"t1w": channel(visit(seed=2), "t1w")})
    assert np.isfinite(output).all()
    assert output.max() > 0


def test_inferer_takes_a_batch_as_monai_does(method):
    sources, target = visit(seed=1), method.method.for_network(method.two_targets()[0])
    data = prepared(method.preprocessing, sources)
    batch = method.inferer(data["image"][None], method.network, target=target)
    assert batch.shape == (1, 1, *SHAPE)
    torch.testing.assert_close(batch[0], method.inferer.harmonize(data["image"], method.network, [target])[0].image)


def test_an_empty_source_is_refused(method):
    data = {"image": torch.zeros(len(CONTRASTS), *SHAPE), "available": torch.tensor([True, False, False, False])}
    with pytest.raises(Exception) as caught:
        prepared_data = method.preprocessing(data)
        method.method.harmonize(prepared_data, method.two_targets()[:1])
    assert find_cause(caught.value, InputError) is not None


def test_inputs_are_left_alone(method):
    sources, targets = visit(seed=1), visit(seed=2)
    method(sources, {"t1w": channel(targets, "t1w")})
    np.testing.assert_array_equal(sources, visit(seed=1))
    np.testing.assert_array_equal(targets, visit(seed=2))
