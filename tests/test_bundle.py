"""The files that make the repository a MONAI bundle agree with each other."""

import ast
import json
import re
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, ckpt_export, verify_metadata, verify_net_in_out
from packaging.requirements import Requirement

from scripts.io.weights import save_weights, seed_weights

BUNDLE = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (BUNDLE / "configs").glob("*.json") if path.name != "metadata.json")
GUARD = {"_target_": "scripts.guard.refuse_unknown_overrides", "bundle_root": "@bundle_root"}
SCHEMA_SHA256 = "d95c74c2915faef04ff6a2d6bd865da922bc8cd5afb4a0719b2dc6e1220528e7"


@pytest.fixture
def metadata() -> dict:
    return json.loads((BUNDLE / "configs" / "metadata.json").read_text())


def pinned(file: str) -> dict[str, str]:
    lines = (BUNDLE / file).read_text().splitlines()
    return dict(match.groups() for line in lines if (match := re.fullmatch(r"([\w-]+)==([\w.]+)", line)))


def test_metadata_passes_the_schema_of_monai(real_data):
    schema = real_data / "meta_schema_20240725.json"
    assert schema.is_file(), "MONAI would try to download it"
    verify_metadata(
        meta_file=str(BUNDLE / "configs" / "metadata.json"), filepath=schema, hash_val=SCHEMA_SHA256, hash_type="sha256"
    )


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
            assert pins & set(packages_of[module]), f"{module} is imported but not pinned"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_that_runs_begins_with_the_guard(path):
    config = json.loads(path.read_text())
    assert ("run" in config) is not path.name.startswith(("method_", "multi_gpu_", "published_", "train_"))
    if "run" in config:
        assert config["run"][0] == GUARD
        # These change what inference.json runs.
        overlay = path.name in ("encode.json", "name_targets.json")
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


def test_network_takes_and_gives_what_the_metadata_says():
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(BUNDLE / "configs" / "metadata.json"),
        config_file=str(BUNDLE / "configs" / "inference.json"),
        bundle_root=str(BUNDLE),
    )


def test_network_is_exported_as_torchscript(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BUNDLE))
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    network = parser.get_parsed_content("network_def").eval()
    seed_weights(network, seed=0)
    save_weights(network.state_dict(), tmp_path / "model.pt")
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(tmp_path / "model.pt"),
        meta_file=str(BUNDLE / "configs" / "metadata.json"),
        config_file=str(BUNDLE / "configs" / "inference.json"),
        key_in_ckpt="",
        bundle_root=str(BUNDLE),
    )
    image, target = torch.rand(1, 4, 224, 224), torch.tensor([[0.5, -1.0, 0.2, 0.0]])
    with torch.inference_mode():
        exported = torch.jit.load(tmp_path / "model.ts")(image, target)
        torch.testing.assert_close(exported, network(image, target))
