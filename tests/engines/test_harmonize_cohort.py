import json
import pickle
from pathlib import Path
from typing import Any

import monai.bundle
import nibabel
import numpy as np
import pytest
from monai.inferers import SimpleInferer
from monai.transforms import Compose, EnsureType

from scripts.baselines.mean_std import MeanStdMatching
from scripts.baselines.none import NoHarmonization
from scripts.engines.harmonize_cohort import CohortHarmonization
from scripts.errors import InputError
from scripts.io.cohort import output_path, read_cohort
from scripts.io.grid import GRID_AFFINE
from scripts.io.volumes import read_volume, write_json, write_volume

BUNDLE = Path(__file__).parents[2]


def ball(seed: int, gain: float) -> np.ndarray:
    """A 24-cube as a scanner stores it, int16, with a background of 0."""
    inside = np.linalg.norm(np.indices((24, 24, 24)) - 11.5, axis=0) < 10
    return (np.random.default_rng(seed).uniform(50, 100, inside.shape) * gain * inside).astype(np.int16)


def write_image(cohort: Path, name: str, voxels: np.ndarray, affine: np.ndarray = GRID_AFFINE) -> Path:
    subject, session, *_ = name.split("_")
    path = cohort / subject / session / "anat" / f"{name}.nii.gz"
    write_volume(path, voxels, affine)
    write_json(path.with_name(f"{name}.json"), {"InstitutionName": session, "StationName": session})
    return path


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two subjects; the first has two contrasts and a rescan at its second visit."""
    folder = tmp_path / "cohort"
    for subject, suffix in (("sub-01", "T1w"), ("sub-01", "FLAIR"), ("sub-02", "T1w")):
        write_image(folder, f"{subject}_ses-01_run-1_{suffix}", ball(seed=1, gain=10))
        write_image(folder, f"{subject}_ses-02_run-1_{suffix}", ball(seed=2, gain=30))
    write_image(folder, "sub-01_ses-02_run-2_T1w", ball(seed=3, gain=30))
    return folder


def harmonization(cohort: Path, **changes: Any) -> CohortHarmonization:
    parts = {
        "output_dir": str(cohort.parent / "harmonized"),
        "network_def": MeanStdMatching(),
        "inferer": SimpleInferer(),
        "preprocessing": Compose([EnsureType(track_meta=False)]),
        "postprocessing": Compose([EnsureType(data_type="numpy")]),
    }
    return CohortHarmonization(str(cohort), **(parts | changes))


def written(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refusal(cohort: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        harmonization(cohort, **changes).run()
    return str(caught.value)


def test_every_image_of_run_1_gets_a_version_like_its_reference(cohort):
    harmonization(cohort).run()
    output = cohort.parent / "harmonized"
    images = [image for image in read_cohort(cohort) if image.run == 1]
    assert len(images) == 6
    assert len(list(output.rglob("*.nii.gz"))) == 6
    for image in images:
        voxels, affine = read_volume(output_path(output, image))
        assert nibabel.load(output_path(output, image)).get_data_dtype() == np.float32
        np.testing.assert_array_equal(affine, GRID_AFFINE)
        # Means of the foreground: 750 in the references, 2250 elsewhere before harmonization.
        assert voxels[voxels > 0].mean() == pytest.approx(750, rel=0.02)
        if image.is_reference:
            np.testing.assert_allclose(voxels, read_volume(image.path)[0], rtol=1e-5)


def test_folder_and_sidecar_say_where_an_image_comes_from(cohort):
    harmonization(cohort).run()
    output = cohort.parent / "harmonized"
    description = json.loads((output / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "brain_mri_harmonization"
    name = "sub-01/ses-02/anat/sub-01_ses-02_run-1_desc-harmonized_FLAIR.json"
    sidecar = json.loads((output / name).read_text())
    assert sidecar["Method"]["network_def"] == "MeanStdMatching()"
    assert [Path(source).name for source in sidecar["Sources"]] == [
        "sub-01_ses-02_run-1_T1w.nii.gz",
        "sub-01_ses-02_run-1_FLAIR.nii.gz",
    ]
    assert list(sidecar["Target"]) == ["sub-01/ses-01/anat/sub-01_ses-01_run-1_FLAIR.nii.gz"]
    assert all(len(digest) == 64 for digest in (sidecar["Sources"] | sidecar["Target"]).values())
    assert str(cohort.parent) not in json.dumps(sidecar)


def test_contrasts_and_runs_choose_the_images(cohort):
    harmonization(cohort, contrasts="t1w", runs=2).run()
    names = [path.name for path in (cohort.parent / "harmonized").rglob("*.nii.gz")]
    assert names == ["sub-01_ses-02_run-2_desc-harmonized_T1w.nii.gz"]


def test_same_bytes_again_and_as_a_worker_process_receives_it(cohort):
    one, two = harmonization(cohort), harmonization(cohort, output_dir=str(cohort.parent / "two"))
    one.run()
    pickle.loads(pickle.dumps(two)).run()
    first, second = written(Path(one.output_dir)), written(Path(two.output_dir))
    assert list(first.values()) == list(second.values())


def test_second_run_makes_only_what_is_missing_or_changed(cohort):
    harmonization(cohort).run()
    images = [image for image in read_cohort(cohort) if image.run == 1]
    outputs = {image.path.name: output_path(cohort.parent / "harmonized", image) for image in images}
    before = {name: path.stat().st_mtime_ns for name, path in outputs.items()}
    outputs["sub-01_ses-01_run-1_T1w.nii.gz"].unlink()
    write_image(cohort, "sub-02_ses-02_run-1_T1w", ball(seed=9, gain=30))
    harmonization(cohort).run()
    made = {name for name, path in outputs.items() if path.stat().st_mtime_ns != before[name]}
    assert made == {"sub-01_ses-01_run-1_T1w.nii.gz", "sub-02_ses-02_run-1_T1w.nii.gz"}


def test_other_method_replaces_everything(cohort):
    harmonization(cohort).run()
    harmonization(cohort, network_def=NoHarmonization()).run()
    for image in read_cohort(cohort):
        if image.run == 1:
            harmonized = read_volume(output_path(cohort.parent / "harmonized", image))[0]
            np.testing.assert_array_equal(harmonized, read_volume(image.path)[0])


def test_bundle_runs_the_config_with_an_overlay(cohort, tmp_path):
    files = [str(BUNDLE / "configs" / name) for name in ("inference.json", "method_mean_std.json")]
    folders = {"cohort_dir": str(cohort), "output_dir": str(tmp_path / "harmonized")}
    monai.bundle.run(config_file=files, bundle_root=str(BUNDLE), workers=1, contrasts="flair", **folders)
    assert len(list((tmp_path / "harmonized").rglob("*_FLAIR.nii.gz"))) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"contrasts": ["t1w", "t3w"]},
            "`contrasts` must hold some of ['t1w', 't2w', 'pd', 'flair'], got ['t1w', 't3w']",
        ),
        ({"contrasts": []}, "`contrasts` must hold some of ['t1w', 't2w', 'pd', 'flair'], got []"),
        ({"runs": [1, 3]}, "`runs` must hold some of the cohort's runs [1, 2], got [1, 3]"),
        ({"runs": []}, "`runs` must hold some of the cohort's runs [1, 2], got []"),
        ({"workers": 0}, "`workers` must be a whole number of at least 1, got 0"),
    ],
)
def test_wrong_choice_is_refused_before_anything_is_written(cohort, changes, words):
    assert refusal(cohort, **changes) == words
    assert not (cohort.parent / "harmonized").exists()


def test_subject_without_reference_is_refused(cohort):
    (cohort / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_run-1_FLAIR.nii.gz").unlink()
    assert refusal(cohort) == "every subject needs a reference, ses-01 run-1, but sub-01 has none in flair"
    assert not (cohort.parent / "harmonized").exists()


def test_foreign_output_folder_is_refused_and_left_alone(cohort):
    before = written(cohort)
    assert "`output_dir` must be absent, empty or an earlier harmonized cohort" in refusal(
        cohort, output_dir=str(cohort)
    )
    assert written(cohort) == before


def test_output_folder_that_cannot_be_written_is_refused(cohort, tmp_path):
    (tmp_path / "file").write_text("")
    words = f"`output_dir` must be a folder that can be written, {tmp_path / 'file' / 'out'} is not"
    assert refusal(cohort, output_dir=str(tmp_path / "file" / "out")).startswith(words)


def test_visit_that_fails_does_not_stop_the_others(cohort):
    path = write_image(cohort, "sub-01_ses-02_run-1_T1w", np.zeros((24, 24, 24), np.int16))
    heading, line = refusal(cohort).splitlines()
    assert heading == "1 of 4 visits could not be harmonized:"
    assert line.startswith("sub-01_ses-02_run-1: source `t1w` must have voxels above 0")
    output = cohort.parent / "harmonized"
    assert len(list(output.rglob("*_T1w.nii.gz"))) == 3
    write_volume(path, ball(seed=2, gain=30))
    harmonization(cohort).run()
    assert len(list(output.rglob("*.nii.gz"))) == 6


@pytest.mark.parametrize(("shape", "shift"), [((24, 24, 23), 0.0), ((24, 24, 24), 0.5)])
def test_images_of_a_subject_on_two_grids_are_refused(cohort, shape, shift):
    affine = GRID_AFFINE.copy()
    affine[0, 3] += shift
    voxels = ball(seed=2, gain=30)[tuple(slice(size) for size in shape)]
    write_image(cohort, "sub-02_ses-02_run-1_T1w", voxels, affine)
    assert "images of a subject must share shape and affine, " in refusal(cohort)
