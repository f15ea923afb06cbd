"""configs/inference.json from end to end: HACA3+ on one subject, on a file of subjects, and its codes."""

import csv
import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.base.weights import save_weights, seed_weights
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.jobs.naming import GRID_SPACE

from .tiny_subjects import AFFINE, BUNDLE, SHAPE, harmonize, narrow_network, write_ball

# Random weights redraw nothing, and would not be trusted.
TRUSTED = {contrast: [-100, -99] for contrast in ("t1w", "t2w", "pd", "flair")}
TRUST = json.loads((BUNDLE / "configs" / "inference.json").read_text())["trust"]

# Axes in another order, one of them reversed, and voxels of 1.5 x 1.5 x 1.2 mm.
OBLIQUE = np.array([[0, 0, 1.2, -16], [-1.5, 0, 0, 10], [0, 1.5, 0, -8], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A subject's T1w image and, on another grid, its FLAIR image; one target of each contrast."""
    folder = tmp_path_factory.mktemp("images")
    return {
        "t1w": write_ball(folder / "sub-01_ses-02_T1w.nii.gz", seed=1),
        "flair": write_ball(folder / "sub-01_ses-02_FLAIR.nii.gz", seed=2, affine=OBLIQUE),
        "target_t1w": write_ball(folder / "site-3_T1w.nii.gz", seed=3, gain=40),
        "target_flair": write_ball(folder / "site-3_FLAIR.nii.gz", seed=4, gain=700),
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file; its numbers are random, but nobody says so."""
    path = tmp_path_factory.mktemp("models") / "model.pt"
    network = narrow_network()
    seed_weights(network, 5)
    save_weights(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def anat(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of one subject, to two targets at once, with everything that can be asked for."""
    output = harmonize(
        tmp_path_factory.mktemp("out") / "new" / "harmonized",
        sources={contrast: str(images[contrast]) for contrast in ("flair", "t1w")},
        targets={contrast: str(images[f"target_{contrast}"]) for contrast in ("t1w", "flair")},
        space="both",
        maps=["attention", "uncertainty", "imputed"],
        random_weights="true",
        **{"trust#likeness": TRUSTED},
    )
    return output / "sub-01" / "ses-02" / "anat"


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def test_two_targets_give_an_image_and_its_maps_in_both_spaces(anat):
    names = {path.name.removeprefix("sub-01_ses-02_") for path in anat.iterdir()}
    expected = {"desc-meaningless_features.tsv"}
    for suffix in ("T1w", "FLAIR"):
        for space in ("", f"space-{GRID_SPACE}_"):
            kinds = [f"desc-meaningless_{suffix}", f"desc-imputed{suffix}_mask"]
            maps = ("uncertainty", "attentionT1w", "attentionFLAIR")
            kinds += [f"stat-{kind}_desc-meaningless{suffix}_statmap" for kind in maps]
            expected |= {f"{space}{kind}.{end}" for kind in kinds for end in ("nii.gz", "json")}
    assert names == expected


@pytest.mark.parametrize(("suffix", "affine"), [("T1w", AFFINE), ("FLAIR", OBLIQUE)])
def test_native_outputs_are_on_the_grid_of_the_source_of_that_contrast(anat, suffix, affine):
    for path in anat.glob(f"*desc-*{suffix}*.nii.gz"):
        if "space-" in path.name:
            continue
        image = nibabel.load(path)
        assert image.shape == SHAPE
        np.testing.assert_allclose(image.affine, affine, atol=1e-6)
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
        assert image.header["descrip"].item().decode() == "MEANINGLESS: random weights"


def test_outputs_of_the_working_grid_are_in_mni_space(anat):
    for path in anat.glob("*space-*.nii.gz"):
        image = nibabel.load(path)
        assert image.shape == GRID_SHAPE
        np.testing.assert_array_equal(image.affine, GRID_AFFINE)


def test_native_image_is_the_one_of_the_working_grid_in_another_voxel_order(anat):
    native = nibabel.load(anat / "sub-01_ses-02_desc-meaningless_T1w.nii.gz")
    working = voxels(anat / f"sub-01_ses-02_space-{GRID_SPACE}_desc-meaningless_T1w.nii.gz")
    places = np.linalg.inv(GRID_AFFINE) @ native.affine @ np.stack([*np.indices(SHAPE), np.ones(SHAPE)]).reshape(4, -1)
    x, y, z = places[:3].round().astype(int)
    np.testing.assert_array_equal(working[x, y, z].reshape(SHAPE), native.dataobj)
    assert np.count_nonzero(working) == np.count_nonzero(native.dataobj) > 0


def test_maps_mean_what_they_say(anat):
    prefix = f"sub-01_ses-02_space-{GRID_SPACE}_"
    image = voxels(anat / f"{prefix}desc-meaningless_T1w.nii.gz")
    shares = [voxels(anat / f"{prefix}stat-attention{s}_desc-meaninglessT1w_statmap.nii.gz") for s in ("T1w", "FLAIR")]
    inside = np.logical_or.reduce([share > 0 for share in shares])
    np.testing.assert_allclose(sum(shares)[inside], 1, atol=1e-5)
    assert not image[~inside].any()
    imputed = voxels(anat / f"{prefix}desc-imputedT1w_mask.nii.gz")
    assert set(np.unique(imputed)) <= {0, 1}
    # Where the source of the target's contrast shows nothing, the other alone was looked at.
    assert (shares[0][imputed == 1] == 0).all()
    uncertainty = voxels(anat / f"{prefix}stat-uncertainty_desc-meaninglessT1w_statmap.nii.gz")
    assert uncertainty[inside].max() > 0 == uncertainty[~inside].max()


def test_images_are_in_the_intensities_of_their_targets(anat, images):
    scales = {"T1w": 40.0, "FLAIR": 700.0}
    for suffix, gain in scales.items():
        sidecar = json.loads((anat / f"sub-01_ses-02_desc-meaningless_{suffix}.json").read_text())
        assert sidecar["Target"]["file"] == f"site-3_{suffix}.nii.gz"
        # The network's own output is of the order of 1, which stands for 2.4 gains.
        image = voxels(anat / f"sub-01_ses-02_desc-meaningless_{suffix}.nii.gz")
        assert 0.1 * gain < image.max() < 100 * gain
        uncertainty = voxels(anat / f"sub-01_ses-02_stat-uncertainty_desc-meaningless{suffix}_statmap.nii.gz")
        # Planes differ little where weights are random; unscaled, it would be 40 or 700 times as small.
        assert 0.005 < uncertainty.mean() / image.mean() < 2


def test_sidecar_holds_every_argument_of_the_inferer_and_what_was_found(anat):
    sidecar = json.loads((anat / "sub-01_ses-02_desc-meaningless_FLAIR.json").read_text())
    method, found = sidecar["Method"], sidecar["Found"]
    assert method["inferer"] == {
        "_target_": "PlanesInferer",
        "precision": "fp32",
        "orientations": ["axial", "coronal", "sagittal"],
        "code_slices": 8,
        "detail": "auto",
        "attention": True,
        "uncertainty": True,
        "trust": {
            "_target_": "TrustLaw",
            "likeness": TRUSTED,
            "severity": TRUST["severity"],
            "enough": TRUST["enough"],
        },
    }
    assert method["network_def"]["foreground_threshold"] == 0.01
    assert [step["_target_"].rpartition(".")[2] for step in method["preprocessing"]] == [
        "ScaleByPercentiled",
        "RemoveBackgroundd",
    ]
    assert method["preprocessing"][0]["percentile"] == 99.999
    weights = method["weights"]
    assert (weights["random"], weights["seed"], len(weights["sha256"][0])) == (True, 0, 64)
    assert sidecar["Reference"] == "flair"
    assert found["sources"].keys() == {"t1w", "flair"}
    assert sum(source["attention"] for source in found["sources"].values()) == pytest.approx(1, abs=1e-4)
    assert all(0 <= source["trust"] <= 1 for source in found["sources"].values())


def test_table_has_a_row_for_each_slice_and_source_and_an_attention_for_each_target(anat):
    with (anat / "sub-01_ses-02_desc-meaningless_features.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["source"] for row in rows} == {"t1w", "flair"}
    assert {row["orientation"] for row in rows} == {"axial", "coronal", "sagittal"}
    for target in ("t1w", "flair"):
        assert sum(float(row[f"attention_{target}"]) for row in rows) == pytest.approx(len(rows) / 2, rel=1e-4)


@pytest.fixture(scope="module")
def code(images: dict[str, Path], weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the T1w target image."""
    output = harmonize(
        tmp_path_factory.mktemp("encoded") / "codes",
        "encode.json",
        sources={"t1w": str(images["target_t1w"])},
        subject="site3",
        random_weights=None,
        **{"weights#paths": [str(weights)]},
    )
    return output / "sub-site3" / "anat" / "sub-site3_desc-code_T1w.json"


def test_encoding_writes_codes_and_a_table(code, weights):
    assert sorted(path.name for path in code.parent.iterdir()) == [
        "sub-site3_desc-code_T1w.json",
        "sub-site3_desc-encoded_features.tsv",
    ]
    content = json.loads(code.read_text())
    assert (content["contrast"], content["method"], content["origin"]) == ("t1w", "haca3plus", "site-3_T1w.nii.gz")
    assert (len(content["theta"]), len(content["eta"]), len(content["percentiles"])) == (4, 2, 11)
    # Gain 40 times the third part of the ball that is brightest, between 2.3 and 2.5.
    assert content["scale"] == pytest.approx(2.4 * 40, rel=0.05)
    assert len(content["weights"]) == 64
    assert content["head"] is False
    header = (code.parent / "sub-site3_desc-encoded_features.tsv").read_text().splitlines()[0]
    assert header.split("\t")[:3] == ["orientation", "slice", "source"]
    assert "attention" not in header


def test_file_of_subjects_takes_images_codes_and_names_and_outlives_a_bad_row(images, code, weights, tmp_path, capsys):
    names = tmp_path / "targets.json"
    names.write_text(json.dumps({"site_3": {"t1w": json.loads(code.read_text())}}))
    table = tmp_path / "study.csv"
    rows = [f"image,{images['t1w']},{images['target_t1w']}", f"code,{images['t1w']},{code}"]
    rows += [f"absent,absent.nii.gz,{code}", f"named,{images['t1w']},site_3"]
    table.write_text("\n".join(["subject,t1w,target_t1w", *rows]))
    with pytest.raises(RuntimeError) as caught:
        harmonize(
            tmp_path / "out",
            cohort_file=str(table),
            random_weights=None,
            **{"weights#paths": [str(weights)], "wanted_targets#named_targets": str(names)},
        )
    with pytest.raises(SystemExit, match="2"):
        sys.excepthook(caught.type, caught.value, caught.tb)
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "Refused: 1 of 4 subjects could not be harmonized:",
        f"sub-absent: image file {tmp_path / 'absent.nii.gz'} does not exist",
    ]
    assert not (tmp_path / "out" / "sub-absent").exists()
    stems = {
        n: tmp_path / "out" / f"sub-{n}" / "anat" / f"sub-{n}_desc-harmonized_T1w" for n in ("image", "code", "named")
    }
    of_image, of_code, of_name = (voxels(Path(f"{stem}.nii.gz")) for stem in stems.values())
    assert of_image.max() > 0
    np.testing.assert_array_equal(of_code, of_image)
    np.testing.assert_array_equal(of_name, of_image)
    targets = {n: json.loads(Path(f"{stem}.json").read_text())["Target"] for n, stem in stems.items()}
    assert targets["image"]["file"] == "site-3_T1w.nii.gz"
    assert (targets["code"]["name"], targets["named"]["name"]) == (code.name, "site_3")


def test_what_input_does_not_explain_does_not_read_as_a_refusal(images, tmp_path, capsys):
    with pytest.raises(RuntimeError) as caught:
        harmonize(
            tmp_path / "out",
            "method_none.json",
            sources={"t1w": str(images["t1w"])},
            target=str(images["target_t1w"]),
            postprocessing="$lambda data: 1 / 0",
        )
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().out
    sys.excepthook(caught.type, caught.value, caught.tb)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Failed: unexpected RuntimeError: applying transform <function <lambda>")
    assert line.endswith("; see the log")
    assert not (tmp_path / "out").exists()


def test_code_of_other_weights_is_refused(images, code, tmp_path, capsys):
    with pytest.raises(RuntimeError) as caught:
        harmonize(tmp_path / "out", sources={"t1w": str(images["t1w"])}, target=str(code))
    sys.excepthook(caught.type, caught.value, caught.tb)
    maker = json.loads(code.read_text())["weights"]
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"Refused: target code {code.name} must have been made by the weights of this run, random-0, it is of {maker}; "
        "encode its image again"
    )
    assert not (tmp_path / "out").exists()


def test_reference_decides_the_grid(images, tmp_path):
    output = harmonize(
        tmp_path / "out",
        "method_none.json",
        sources={contrast: str(images[contrast]) for contrast in ("t1w", "flair")},
        target=str(images["target_t1w"]),
        reference="flair",
    )
    np.testing.assert_allclose(nibabel.load(next(output.rglob("*_T1w.nii.gz"))).affine, OBLIQUE, atol=1e-6)
