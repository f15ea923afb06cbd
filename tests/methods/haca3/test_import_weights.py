import hashlib
import json
from pathlib import Path
from typing import Any

import monai.bundle
import pytest
import torch

from scripts.base.errors import InputError
from scripts.base.weights import load_weights
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.fusion_net import FusionNet
from scripts.methods.haca3.import_weights import WeightsImport
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.published_checkpoint import FUSION_NAMES, HARMONIZATION_NAMES
from scripts.methods.haca3.published_network import published_network

from .golden import golden_fusion, golden_haca3, published_parts

BUNDLE = Path(__file__).parents[3]
NARROW = {"field_of_view": 96, "anatomy_base": 2, "decoder_base": 2}


def narrow() -> Haca3:
    return published_network(ForegroundAttention(CodeAttention()), **NARROW)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A narrow checkpoint and a fusion file, as the authors' code would have saved them."""
    harmonization = published_parts(golden_haca3(**NARROW), HARMONIZATION_NAMES)
    torch.save({"epoch": 3, **harmonization, "patchifier": {}}, tmp_path / "harmonization.pt")
    torch.save(published_parts(golden_fusion(), FUSION_NAMES), tmp_path / "fusion.pt")
    return {"checkpoint": str(tmp_path / "harmonization.pt"), "fusion": str(tmp_path / "fusion.pt")}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "bundle" / "models"


def importing(files: dict[str, str], models: Path, **options: Any) -> WeightsImport:
    parts = {"network_def": narrow(), "fusion_def": FusionNet(), "version": "9.8.7"}
    return WeightsImport(**{**files, "output_dir": str(models), **parts, **options})


def digest(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_model_files_fill_the_networks(files, models):
    importing(files, models).run()
    assert sorted(path.name for path in models.iterdir()) == ["fusion.pt", "model.json", "model.pt"]
    for network, golden, name in (
        (narrow(), golden_haca3(**NARROW), "model.pt"),
        (FusionNet(), golden_fusion(), "fusion.pt"),
    ):
        assert load_weights(network, models / name) == digest(models / name)
        torch.testing.assert_close(network.state_dict(), golden.state_dict(), rtol=0, atol=0)
        flat = torch.load(models / name, weights_only=True)
        assert all(isinstance(value, torch.Tensor) for value in flat.values())
        golden.load_state_dict(flat, strict=True)


def test_provenance_says_where_the_weights_are_from(files, models):
    importing(files, models).run()
    provenance = json.loads((models / "model.json").read_text())
    assert provenance["bundle_version"] == "9.8.7"
    assert provenance["license"] == "as the authors state; not redistributed"
    assert provenance["files"].keys() == {"model.pt", "fusion.pt"}
    model, fusion = provenance["files"]["model.pt"], provenance["files"]["fusion.pt"]
    assert (model["source"], model["source_sha256"]) == ("harmonization.pt", digest(files["checkpoint"]))
    assert (fusion["source"], fusion["source_sha256"]) == ("fusion.pt", digest(files["fusion"]))
    assert (model["sha256"], fusion["sha256"]) == (digest(models / "model.pt"), digest(models / "fusion.pt"))
    assert model["left_out"] == ["epoch", "patchifier"]
    assert model["encoders"]["eta_encoder"] == "2-dimensional code of slices"
    assert (fusion["parameters"], fusion["values"]) == (8, 12_785)
    assert fusion["shapes"]["fusion_net.conv2.0.weight"] == [16, 19, 3, 3, 3]


def test_report_says_what_was_found(files, models):
    report = importing(files, models).run()
    assert f"{files['checkpoint']} (SHA-256 {digest(files['checkpoint'])})" in report
    assert f"written: {models / 'model.pt'} (SHA-256 {digest(models / 'model.pt')})" in report
    assert "theta_encoder: 14 parameters, 145156 values; 2-dimensional code of slices" in report
    assert "fusion_net: 8 parameters, 12785 values\n  left out: nothing" in report
    assert "left out: epoch, patchifier" in report
    assert "the file does not tell which it is" in report


def test_fusion_may_be_left_out(files, models):
    report = importing(files, models, fusion=None).run()
    assert sorted(path.name for path in models.iterdir()) == ["model.json", "model.pt"]
    assert "No `fusion` was given" in report


def test_import_repeats_itself(files, models, tmp_path):
    importing(files, models).run()
    importing(files, tmp_path / "elsewhere").run()
    for name in ("model.pt", "fusion.pt", "model.json"):
        assert digest(models / name) == digest(tmp_path / "elsewhere" / name)


def test_existing_weights_are_kept(files, models):
    importing(files, models, fusion=None).run()
    before = digest(models / "model.pt")
    words = r"models already has model\.pt, model\.json; add --overwrite true to replace it"
    with pytest.raises(InputError, match=words):
        importing(files, models).run()
    assert digest(models / "model.pt") == before
    assert not (models / "fusion.pt").exists()


def test_existing_weights_are_replaced_as_a_whole_on_request(files, models):
    importing(files, models).run()
    (models / "model.pt").write_text("old")
    (models / "notes.txt").write_text("mine")
    importing(files, models, fusion=None, overwrite=True).run()
    load_weights(narrow(), models / "model.pt")
    assert sorted(path.name for path in models.iterdir()) == ["model.json", "model.pt", "notes.txt"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"checkpoint": ""}, "`checkpoint` must be the authors' file, such as --checkpoint harmonization.pt"),
        ({"checkpoint": "absent.pt"}, "weights file absent.pt does not exist"),
        ({"fusion": "absent.pt"}, "weights file absent.pt does not exist"),
        ({"fusion_def": FusionNet(base=4)}, r"fusion\.pt holds another network"),
    ],
)
def test_refused_import_writes_nothing(files, models, options, words):
    with pytest.raises(InputError, match=words):
        importing(files, models, **options).run()
    assert not models.exists()


def test_output_that_is_no_folder_is_refused(files, tmp_path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(InputError, match=r"`output_dir` must be a folder that can be written, .*models is not"):
        importing(files, tmp_path / "models").run()


def test_command_imports_full_size_checkpoints(tmp_path, models, monkeypatch, capsys):
    monkeypatch.chdir(BUNDLE)
    golden = golden_haca3()
    torch.save(published_parts(golden, HARMONIZATION_NAMES), tmp_path / "harmonization.pt")
    torch.save(published_parts(golden_fusion(), FUSION_NAMES), tmp_path / "fusion.pt")
    monai.bundle.run(
        config_file="configs/import_weights.json",
        logging_file=False,
        checkpoint=str(tmp_path / "harmonization.pt"),
        fusion=str(tmp_path / "fusion.pt"),
        output_dir=str(models),
        overwrite="true",
    )
    printed = capsys.readouterr().out
    assert "beta_encoder: 50 parameters, 2161013 values" in printed
    network = published_network(ForegroundAttention(CodeAttention()))
    load_weights(network, models / "model.pt")
    torch.testing.assert_close(network.state_dict(), golden.state_dict(), rtol=0, atol=0)
    metadata = json.loads((BUNDLE / "configs" / "metadata.json").read_text())
    assert json.loads((models / "model.json").read_text())["bundle_version"] == metadata["version"]
