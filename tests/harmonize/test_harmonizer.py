"""One method over a cohort of traveling subjects."""

import json
import logging
from pathlib import Path
from typing import Any

import monai.bundle
import nibabel
import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.transforms import Compose, ScaleIntensityd
from torch.utils.data import DataLoader

from scripts.base.errors import InputError, UnexpectedError
from scripts.base.text_files import write_json
from scripts.harmonize.harmonizer import Harmonizer
from scripts.harmonize.model_weights import ModelWeights
from scripts.harmonize.outputs import Outputs
from scripts.harmonize.subjects import SubjectDataset, first
from scripts.harmonize.targets import TargetPreparation
from scripts.images.bids_cohort import output_path, read_cohort
from scripts.images.grid import GRID_AFFINE
from scripts.images.volumes import read_volume, write_volume
from scripts.inferers.harmonization import VolumeInferer
from scripts.jobs.from_cohort import TravelingPeople
from scripts.jobs.wanted import WantedTargets
from scripts.methods.classical.mean_std import MeanStdMatching
from scripts.methods.classical.method import ClassicalMethod
from scripts.methods.classical.none import NoHarmonization

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
    for seed, subject, suffix in ((1, "sub-01", "T1w"), (4, "sub-01", "FLAIR"), (7, "sub-02", "T1w")):
        write_image(folder, f"{subject}_ses-01_run-1_{suffix}", ball(seed, gain=10))
        write_image(folder, f"{subject}_ses-02_run-1_{suffix}", ball(seed + 1, gain=30))
    write_image(folder, "sub-01_ses-02_run-2_T1w", ball(seed=3, gain=30))
    return folder


def harmonizer(cohort: Path, output: str = "harmonized", **changes: Any) -> Harmonizer:
    chosen = {key: changes.pop(key) for key in ("contrasts", "runs") if key in changes}
    transform = changes.pop("preprocessing", Compose([]))
    network, inferer = changes.pop("network", MeanStdMatching()), changes.pop("inferer", VolumeInferer())
    method = ClassicalMethod("mean_std", network, inferer)
    subjects = SubjectDataset(TravelingPeople(str(cohort), **chosen).jobs(WantedTargets()), transform)
    parts: dict[str, Any] = {
        "device": "cpu",
        "val_data_loader": DataLoader(subjects, batch_size=1, collate_fn=first),
        "targets": TargetPreparation(method, transform, ModelWeights()),
        "outputs": Outputs(cohort.parent / output, bundle_version="9.8.7"),
        "postprocessing": Compose([]),
    }
    return Harmonizer(**(parts | changes))


def written(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refusal(cohort: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        harmonizer(cohort, **changes).run()
    return str(caught.value)


def test_every_image_of_run_1_gets_a_version_like_its_reference(cohort):
    harmonizer(cohort).run()
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
    harmonizer(cohort, preprocessing=Compose([ScaleIntensityd("image", None, None, factor=0.5)])).run()
    output = cohort.parent / "harmonized"
    description = json.loads((output / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "brain_mri_harmonization"
    name = "sub-01/ses-02/anat/sub-01_ses-02_run-1_desc-harmonized_FLAIR.json"
    sidecar = json.loads((output / name).read_text())
    method = sidecar["Method"]
    assert method["network_def"] == {"_target_": "MeanStdMatching"}
    assert (method["name"], method["inferer"]) == ("mean_std", {"_target_": "VolumeInferer"})
    assert method["preprocessing"][0]["scaler"]["factor"] == 0.5
    assert method["postprocessing"] == []
    assert method["weights"] == {}
    assert method["software"]["brain_mri_harmonization"] == "9.8.7"
    assert (method["device"], method["threads"]) == ("cpu", torch.get_num_threads())
    assert {contrast: source["file"] for contrast, source in sidecar["SourceImages"].items()} == {
        "t1w": "sub-01_ses-02_run-1_T1w.nii.gz",
        "flair": "sub-01_ses-02_run-1_FLAIR.nii.gz",
    }
    target = sidecar["Target"]
    assert (target["contrast"], target["file"]) == ("flair", "sub-01_ses-01_run-1_FLAIR.nii.gz")
    assert all(len(part["sha256"]) == 64 for part in (*sidecar["SourceImages"].values(), target))
    assert sidecar["Reference"] == "flair"
    # A cube of 24 mm is no head.
    assert sidecar["SkullStripped"] is True
    assert sidecar["Found"] == {"voxels_outside_network_box": 0, "foreground_outside_network_box": 0}
    assert str(cohort.parent) not in json.dumps(sidecar)


def test_log_says_where_an_image_went(cohort, caplog):
    caplog.set_level(logging.INFO, "scripts")
    harmonizer(cohort, runs=2).run()
    harmonizer(cohort, runs=2).run()
    path = cohort.parent / "harmonized/sub-01/ses-02/anat/sub-01_ses-02_run-2_desc-harmonized_T1w.nii.gz"
    name = "sub-01_ses-02_run-2"
    assert caplog.messages == [f"{name}: {path}", f"{name}: done by an earlier run, nothing has changed"]


def test_contrasts_and_runs_choose_the_images(cohort):
    harmonizer(cohort, contrasts="t1w", runs=2).run()
    names = [path.name for path in (cohort.parent / "harmonized").rglob("*.nii.gz")]
    assert names == ["sub-01_ses-02_run-2_desc-harmonized_T1w.nii.gz"]


def test_same_bytes_again(cohort):
    harmonizer(cohort).run()
    harmonizer(cohort, output="two").run()
    assert written(cohort.parent / "harmonized") == written(cohort.parent / "two")


def test_second_run_does_only_visits_of_which_something_is_missing_or_changed(cohort):
    harmonizer(cohort).run()
    images = [image for image in read_cohort(cohort) if image.run == 1]
    outputs = {image.path.name: output_path(cohort.parent / "harmonized", image) for image in images}
    before = {name: path.stat().st_mtime_ns for name, path in outputs.items()}
    outputs["sub-01_ses-01_run-1_T1w.nii.gz"].unlink()
    write_image(cohort, "sub-02_ses-02_run-1_T1w", ball(seed=9, gain=30))
    harmonizer(cohort).run()
    made = {name for name, path in outputs.items() if path.stat().st_mtime_ns != before[name]}
    assert made == {f"sub-01_ses-01_run-1_{suffix}.nii.gz" for suffix in ("T1w", "FLAIR")} | {
        "sub-02_ses-02_run-1_T1w.nii.gz"
    }


def test_other_method_replaces_everything(cohort):
    harmonizer(cohort).run()
    harmonizer(cohort, network=NoHarmonization()).run()
    for image in read_cohort(cohort):
        if image.run == 1:
            harmonized = read_volume(output_path(cohort.parent / "harmonized", image))[0]
            np.testing.assert_array_equal(harmonized, read_volume(image.path)[0])


def test_bundle_runs_the_config_with_an_overlay(cohort, tmp_path):
    files = [str(BUNDLE / "configs" / name) for name in ("inference.json", "method_mean_std.json")]
    folders = {"dataset_dir": str(cohort), "output_dir": str(tmp_path / "harmonized")}
    monai.bundle.run(config_file=files, bundle_root=str(BUNDLE), contrasts="flair", registration="none", **folders)
    assert len(list((tmp_path / "harmonized").rglob("*_FLAIR.nii.gz"))) == 2
    assert not logging.getLogger("ignite.engine.engine.Harmonizer").isEnabledFor(logging.INFO)


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
    ],
)
def test_wrong_choice_is_refused_before_anything_is_written(cohort, changes, words):
    assert refusal(cohort, **changes) == words
    assert not (cohort.parent / "harmonized").exists()


def test_maps_that_a_method_does_not_give_are_refused(cohort):
    words = "`maps` must be among those this method gives, none, got ['attention']"
    assert refusal(cohort, outputs=Outputs(cohort.parent / "harmonized", maps=["attention"])) == words


def test_subject_without_reference_is_refused(cohort):
    (cohort / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_run-1_FLAIR.nii.gz").unlink()
    assert refusal(cohort) == "every subject needs a reference, ses-01 run-1, but sub-01 has none in flair"
    assert not (cohort.parent / "harmonized").exists()


def test_foreign_output_folder_is_refused_and_left_alone(cohort):
    before = written(cohort)
    words = "`output_dir` must be absent, empty or an earlier harmonization, but"
    assert words in refusal(cohort, output="cohort")
    assert written(cohort) == before


def test_output_folder_that_cannot_be_written_is_refused(cohort, tmp_path):
    (tmp_path / "file").write_text("")
    words = f"`output_dir` must be a folder that can be written, {tmp_path / 'file' / 'out'} is not"
    assert refusal(cohort, output="file/out").startswith(words)


def test_visit_that_fails_does_not_stop_the_others(cohort):
    path = write_image(cohort, "sub-01_ses-02_run-1_T1w", np.zeros((24, 24, 24), np.int16))
    heading, line = refusal(cohort).splitlines()
    assert heading == "1 of 4 subjects could not be harmonized:"
    assert line == f"sub-01_ses-02_run-1: image file {path} must not be constant, it is 0 everywhere"
    output = cohort.parent / "harmonized"
    assert len(list(output.rglob("*_T1w.nii.gz"))) == 3
    write_volume(path, ball(seed=2, gain=30))
    harmonizer(cohort).run()
    assert len(list(output.rglob("*.nii.gz"))) == 6


def test_mistake_of_ours_in_one_visit_is_logged_and_stops_no_other(cohort, caplog):
    class Broken(VolumeInferer):
        def harmonize(self, image: torch.Tensor, *others: Any) -> Any:
            # The gain of the second visits is 30.
            return super().harmonize(image, *others) if image.max() < 1001 else 1 / 0

    with pytest.raises(UnexpectedError) as caught:
        harmonizer(cohort, contrasts="t1w", inferer=Broken()).run()
    reason = "unexpected ZeroDivisionError: division by zero; see the log"
    assert str(caught.value).splitlines() == [
        "2 of 4 subjects could not be harmonized:",
        *(f"sub-0{n}_ses-02_run-1: {reason}" for n in (1, 2)),
    ]
    assert [record.exc_info is not None for record in caplog.records if record.levelname == "ERROR"] == [True, True]
    assert len(list((cohort.parent / "harmonized").rglob("*.nii.gz"))) == 2


def test_output_folder_in_which_nothing_came_to_be_is_left_as_it_was(cohort):
    for path in cohort.rglob("*_T1w.nii.gz"):
        path.write_bytes(b"")
    assert refusal(cohort, contrasts="t1w").startswith("4 of 4 subjects could not be harmonized:")
    assert not (cohort.parent / "harmonized").exists()
    (cohort.parent / "mine").mkdir()
    refusal(cohort, contrasts="t1w", output="mine")
    assert list((cohort.parent / "mine").iterdir()) == []


class Recorder:
    """A handler that keeps how many images each iteration gave."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: self.counts.append(len(e.state.output)))


def test_handlers_see_the_images_of_each_visit(cohort):
    write_image(cohort, "sub-02_ses-02_run-1_T1w", np.zeros((24, 24, 24), np.int16))
    recorder = Recorder()
    refusal(cohort, val_handlers=[recorder])
    assert recorder.counts == [2, 2, 1, 0]


def test_postprocessing_sees_prediction_scale_and_preprocessed_data(cohort):
    seen: list[dict[str, Any]] = []

    def halve(data: dict[str, Any]) -> dict[str, Any]:
        seen.append(data)
        return {**data, "pred": data["pred"] / 2}

    harmonizer(cohort, contrasts="flair", network=NoHarmonization(), postprocessing=halve).run()
    assert {"image", "available", "pred", "target_scale"} <= seen[0].keys()
    for image in read_cohort(cohort, ["flair"]):
        harmonized = read_volume(output_path(cohort.parent / "harmonized", image))[0]
        np.testing.assert_array_equal(harmonized, read_volume(image.path)[0] / 2)
