"""What MONAI Label does with configs/inference.json, step by step, without its server."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

from scripts.base.errors import InputError, find_cause
from scripts.base.weights import seed_weights

from ..harmonize.tiny_subjects import (
    AFFINE,
    BUNDLE,
    NARROW,
    NARROW_HACA3,
    harmonize,
    write_ball,
)

# A ball on another grid than the working one.
TURNED = np.array([[0, 0, 2.0, -30], [2, 0, 0, -46], [0, -2, 0, 40], [0, 0, 0, 1]])


def config(haca3: bool = False) -> ConfigParser:
    parser = ConfigParser()
    names = ["inference.json", *["method_haca3.json"] * haca3]
    parser.read_config([str(BUNDLE / "configs" / name) for name in names])
    small = NARROW_HACA3 if haca3 else NARROW
    parser.update({"bundle_root": str(BUNDLE), "registration": "none", "device": "cpu", **small})
    return parser


def request(parser: ConfigParser, image: Path, **asked: Any) -> dict[str, Any]:
    """The choices of which none was made come as lists."""
    offered = parser.get_parsed_content("displayable_configs")
    files = [path.name for path in parser.get_parsed_content("weights").paths]
    return {**offered, "model_filename": [*files, "haca3_fusion.pt"], "image": str(image), **asked}


def answer(image: Path, haca3: bool = False, **asked: Any) -> dict[str, Any]:
    """The steps of monailabel.tasks.infer.bundle.BundleInferTask."""
    # The app makes a network of its own.
    parser, network = config(haca3), config(haca3).get_parsed_content("network_def").eval()
    seed_weights(network, seed=0)
    data = request(parser, image, **asked)
    for transform in parser.get_parsed_content("pre_transforms"):
        data = transform(data)
    with torch.no_grad():
        data["pred"] = parser.get_parsed_content("inferer")(data["image"][None], network)[0]
    for transform in parser.get_parsed_content("post_transforms"):
        data = transform(data)
    return data


def refusal(image: Path, **asked: Any) -> str:
    parser = config()
    (read,) = parser.get_parsed_content("pre_transforms")
    with pytest.raises(InputError) as raised:
        read(request(parser, image, **asked))
    return str(find_cause(raised.value, InputError))


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    write_ball(folder / "sub-01_T1w.nii.gz", seed=1, affine=TURNED)
    write_ball(folder / "sub-01_FLAIR.nii.gz", seed=2)
    write_ball(folder / "sub-02_FLAIR.nii.gz", seed=3)
    write_ball(folder / "target_T1w.nii.gz", seed=4, gain=40.0)
    return folder


def test_the_answer_is_what_a_run_of_the_bundle_writes(visit, tmp_path):
    t1w, target = visit / "sub-01_T1w.nii.gz", str(visit / "target_T1w.nii.gz")
    data = answer(t1w, target=target)
    sources = {"t1w": str(t1w), "flair": str(visit / "sub-01_FLAIR.nii.gz")}
    folder = harmonize(tmp_path / "out", sources=sources, target=target)
    (path,) = folder.rglob("*_desc-meaningless_T1w.nii.gz")
    expected = nibabel.load(path)
    np.testing.assert_array_equal(data["pred"][0].numpy(), expected.get_fdata(dtype=np.float32))
    assert data["pred"].any()
    # From these the app writes the file.
    np.testing.assert_allclose(data["image"].meta["original_affine"], TURNED)
    assert data["image"].meta["spatial_shape"] == data["pred"].shape[1:]
    assert isinstance(data["image"], MetaTensor)
    assert data["result"]["sources"] == {"t1w": "sub-01_T1w.nii.gz", "flair": "sub-01_FLAIR.nii.gz"}
    assert data["result"]["target"]["file"] == "target_T1w.nii.gz"


@pytest.mark.parametrize("haca3", [False, True])
def test_a_contrast_is_made_up_as_a_run_of_the_bundle_does_it(visit, tmp_path, haca3):
    t1w, target = visit / "sub-01_T1w.nii.gz", str(write_ball(visit / "target_T2w.nii.gz", seed=5, gain=70.0))
    data = answer(t1w, haca3, target=target, target_contrast="t2w")
    sources = {"t1w": str(t1w), "flair": str(visit / "sub-01_FLAIR.nii.gz")}
    folder = harmonize(tmp_path / "out", *["method_haca3.json"] * haca3, sources=sources, target=target)
    (path,) = folder.rglob("*_desc-meaningless_T2w.nii.gz")
    np.testing.assert_array_equal(data["pred"][0].numpy(), nibabel.load(path).get_fdata(dtype=np.float32))
    # HACA3 looks at what else the target's visit has.
    assert [*data["result"]["target"].get("beside", [])] == (["t1w"] if haca3 else [])


def test_sources_may_be_named_and_then_siblings_do_not_count(visit, tmp_path):
    uploaded = tmp_path / "tmp4711.nii.gz"
    uploaded.write_bytes((visit / "sub-01_T1w.nii.gz").read_bytes())
    others = {"flair": str(visit / "sub-02_FLAIR.nii.gz")}
    target = str(visit / "target_T1w.nii.gz")
    data = answer(uploaded, contrast="t1w", sources=others, target=target)
    assert data["result"]["sources"] == {"t1w": "tmp4711.nii.gz", "flair": "sub-02_FLAIR.nii.gz"}


def test_the_targets_that_ship_are_a_list_to_choose_from():
    offered = config().get_parsed_content("displayable_configs")
    assert {"siemens_1.5t", "siemens_3t"} <= set(offered["target"])
    assert offered["target_contrast"] == offered["contrast"] == ["auto", "t1w", "t2w", "pd", "flair"]


def test_another_contrast_than_that_of_the_image_is_imputed_on_its_grid(visit):
    data = answer(visit / "sub-02_FLAIR.nii.gz", target=str(visit / "target_T1w.nii.gz"), target_contrast="t1w")
    assert data["result"]["target"]["contrast"] == "t1w"
    np.testing.assert_allclose(data["image"].meta["original_affine"], AFFINE)


def test_what_cannot_be_answered_is_refused(visit, tmp_path):
    t1w, named = visit / "sub-01_T1w.nii.gz", write_ball(tmp_path / "brain.nii.gz", seed=1)
    assert "image brain.nii.gz must end in one of _T1w" in refusal(named)
    assert "`model_filename` must be model.pt, got haca3_fusion.pt" in refusal(t1w, model_filename="haca3_fusion.pt")
    assert "`contrast` must be auto or one of t1w, t2w, pd, flair, got T1" in refusal(t1w, contrast="T1")
    assert "`sources` must be of other contrasts than the image's, t1w" in refusal(t1w, sources={"t1w": str(named)})
    assert "`target` must be an image, a code file or a shipped name, since one image has no site; got auto" in refusal(
        t1w, target="auto"
    )
    assert "target code siemens_3t: `theta` must be a list of 4 finite numbers" in refusal(t1w, target="siemens_3t")
