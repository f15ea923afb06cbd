"""The files that make the repository a MONAI bundle agree with each other."""

import ast
import json
import re
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from monai.bundle import ConfigParser
from packaging.requirements import Requirement

BUNDLE = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (BUNDLE / "configs").glob("*.json") if path.name != "metadata.json")
GUARD = {"_target_": "scripts.base.overrides.refuse_unknown_overrides", "bundle_root": "@bundle_root"}


@pytest.fixture
def metadata() -> dict:
    return json.loads((BUNDLE / "configs" / "metadata.json").read_text())


def pinned(file: str) -> dict[str, str]:
    lines = (BUNDLE / file).read_text().splitlines()
    return dict(match.groups() for line in lines if (match := re.fullmatch(r"([\w-]+)==([\w.]+)", line)))


def test_metadata_at_the_root_is_the_one_in_configs():
    assert (BUNDLE / "metadata.json").resolve() == (BUNDLE / "configs" / "metadata.json").resolve()


def test_metadata_names_the_pinned_versions(metadata):
    named = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
    versions = {package: metadata[key] for package, key in named.items()} | metadata["required_packages_version"]
    assert versions == pinned("requirements.txt")
    assert metadata["version"] in metadata["changelog"]


def test_extras_pin_each_package_to_one_version():
    files = ["requirements.txt", *(path.name for path in BUNDLE.glob("requirements-*.txt"))]
    pins = {pin for file in files for pin in pinned(file).items()}
    assert len(pins) == len(dict(pins))


def pinned_with(package: str) -> set[str]:
    """The package, and those of which it needs exactly one version itself."""
    needs = [Requirement(need) for need in distribution(package).requires or []]
    return {package, *(need.name for need in needs if str(need.specifier).startswith("=="))}


def test_every_package_that_the_code_imports_is_pinned():
    names = {package for path in BUNDLE.glob("requirements*.txt") for package in pinned(path.name)}
    pins = names.union(*map(pinned_with, names))
    packages_of = packages_distributions()
    trees = [ast.parse(path.read_text()) for path in (BUNDLE / "scripts").rglob("*.py")]
    for node in (node for tree in trees for node in ast.walk(tree)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
        for module in {name.partition(".")[0] for name in names} - sys.stdlib_module_names:
            packages = {package.lower() for package in packages_of[module]}
            assert packages & {pin.lower() for pin in pins}, f"{module} is imported but not pinned"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_that_runs_begins_with_the_guard(path):
    config = json.loads(path.read_text())
    assert ("run" in config) is not path.name.startswith(
        ("evaluate_network_segmenter", "inference_trt", "method_", "multi_gpu_", "published_", "ssim_small", "train_")
    )
    if "run" in config:
        assert config["run"][0] == GUARD
        # These change what inference.json runs.
        overlay = path.name.startswith(("clean_truth", "encode", "experiment_", "export_", "name_targets", "real_"))
        assert config.get("bundle_root") == (None if overlay else ".")


@pytest.mark.parametrize("id", ["network_def", "fusion_def"])
def test_weights_are_imported_for_the_networks_of_inference(id):
    shapes = []
    for files in (["inference.json", "published_weights.json"], ["import_weights.json"]):
        parser = ConfigParser()
        parser.read_config([str(BUNDLE / "configs" / file) for file in files])
        network = parser.get_parsed_content(id)
        shapes.append({name: value.shape for name, value in network.state_dict().items()})
    assert shapes[0] == shapes[1]


def test_what_several_gpus_change_is_little():
    overlays = sorted((BUNDLE / "configs").glob("multi_gpu_*.json"))
    assert [path.stem for path in overlays] == ["multi_gpu_evaluate", "multi_gpu_inference", "multi_gpu_train"]
    assert all(len(path.read_text().splitlines()) < 20 for path in overlays)


def test_the_model_card_has_the_sections_of_the_model_zoo():
    headings = re.findall("^#{1,2} .+$", (BUNDLE / "docs" / "README.md").read_text(), re.M)
    wanted = ["# Model Overview", "## Data", "## Training configuration", "## Performance", "## MONAI Bundle Commands"]
    assert headings == [*wanted, "# References", "# License"]
