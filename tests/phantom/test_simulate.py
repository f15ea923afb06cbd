import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.bids_cohort import clean_truth_path, read_cohort, truth_path
from scripts.images.grid import GRID_AFFINE
from scripts.phantom.scanner import Scanner
from scripts.phantom.simulate import Simulator
from scripts.preprocessing.bias_correction import BiasCorrection

BUNDLE = Path(__file__).parents[2]
DESIGNS = json.loads((BUNDLE / "configs" / "simulate.json").read_text())["designs"]


@dataclass(frozen=True)
class TinyPerson:
    seed: int
    age: float
    lesion_load: float
    head: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class TinyPhantom:
    """A ball of brain in a box of eight voxels a side; `fails_at` is the contrast that cannot be acquired."""

    fails_at: str = ""

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> TinyPerson:
        return TinyPerson(seed, age, lesion_load, head)

    def render_subject(self, parameters: TinyPerson) -> SimpleNamespace:
        x, y, z = np.indices((8, 8, 8)) - 3.5
        brain = (x**2 + y**2 + z**2 < 9).astype(np.uint8)
        warp = np.full((3, 8, 8, 8), parameters.age, dtype=np.float32)
        return SimpleNamespace(tissues=3 * brain, regions=9 * brain, lesions=0 * brain, brain=brain, warp=warp)

    def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        if contrast == self.fails_at:
            raise FloatingPointError(contrast)
        rng = np.random.default_rng(visit_seed)
        return (subject.brain * rng.uniform(0.9, 1.1, subject.brain.shape)).astype(np.float32)

    def acquire_clean(
        self, subject: SimpleNamespace, scanner: Scanner, wanted: Scanner, contrast: str, visit_seed: int
    ) -> np.ndarray:
        # Unlike `acquire`, brighter on one side.
        assert scanner.name != wanted.name == "demo-A"
        return (subject.brain * np.linspace(1, 2, 8)).astype(np.float32)


def simulator(output_dir: Path, **options: Any) -> Simulator:
    options = {"cohort": "demo", "designs": DESIGNS, "phantom": TinyPhantom(), **options}
    return Simulator(output_dir=str(output_dir), **options)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    return simulator(tmp_path_factory.mktemp("cohorts") / "demo", write_warp=True).run()


def test_cohort_is_read_back(demo):
    images = read_cohort(demo)
    assert len(images) == 12
    reference = [image for image in images if image.is_reference]
    assert {(image.site, image.scanner) for image in reference} == {("demo-1", "demo-A")}
    assert [image.contrast for image in reference[:3]] == ["t1w", "t2w", "flair"]
    assert reference[0].path.name == "sub-01_ses-01_run-1_T1w.nii.gz"


def test_images_are_int16_in_units_of_the_scanner(demo):
    image = nibabel.load(read_cohort(demo)[0].path)
    voxels = np.asarray(image.dataobj)
    scanners = json.loads((demo / "scanners.json").read_text())
    peak = 3000 * scanners["demo-A"]["protocols"]["t1w"]["gain"]
    assert voxels.dtype == np.int16 and image.header["scl_slope"] != image.header["scl_slope"]  # NaN: none
    assert np.percentile(voxels[voxels > 0], 99.9) == pytest.approx(peak, abs=2)
    assert voxels[0, 0, 0] == 0
    assert np.array_equal(image.affine, GRID_AFFINE)


def test_sidecar_has_the_protocol_under_bids_names(demo):
    sidecar = json.loads((demo / "sub-01/ses-01/anat/sub-01_ses-01_run-1_FLAIR.json").read_text())
    scanner = Scanner.from_json(json.loads((demo / "scanners.json").read_text())["demo-A"])
    protocol = scanner.protocols["flair"]
    assert sidecar["RepetitionTime"] == protocol.repetition_time
    assert sidecar["InversionTime"] == protocol.inversion_time
    assert sidecar["PulseSequenceType"] == "inversion recovery turbo spin echo"
    assert (sidecar["Manufacturer"], sidecar["MagneticFieldStrength"]) == ("Siemens", 3.0)
    assert sidecar["SkullStripped"] is True
    assert "InversionTime" not in json.loads((demo / "sub-01/ses-01/anat/sub-01_ses-01_run-1_T2w.json").read_text())


def test_tables_and_truth(demo):
    participants = (demo / "participants.tsv").read_text().splitlines()
    assert participants[0] == "participant_id\tage\tpopulation\tlesion_load\tbrain_years\thead"
    assert [row.split("\t")[0] for row in participants[1:]] == ["sub-01", "sub-02"]
    sessions = (demo / "sub-02" / "sub-02_sessions.tsv").read_text().splitlines()
    assert sessions[0] == "session_id\tsite\tscanner\tmanufacturer\tfield_strength"
    assert sessions[1] == "ses-01\tdemo-1\tdemo-A\tSiemens\t3.0"
    for what, label in (("desc-tissue_dseg", 3), ("desc-regions_dseg", 9), ("desc-brain_mask", 1)):
        truth = np.asarray(nibabel.load(truth_path(demo, "sub-01", what)).dataobj)
        assert truth.dtype == np.uint8 and truth[4, 4, 4] == label and truth[0, 0, 0] == 0
    assert truth_path(demo, "sub-01", "label-lesion_mask").is_file()
    plan = json.loads((demo / "derivatives/truth/plan.json").read_text())
    warp = nibabel.load(truth_path(demo, "sub-01", "from-MNI152_to-subject_mode-image_xfm")).get_fdata()
    assert warp.shape == (8, 8, 8, 3) and warp[0, 0, 0, 0] == pytest.approx(plan["subjects"][0]["age"])
    parameters = json.loads((demo / "derivatives/truth/sub-01/anat/sub-01_parameters.json").read_text())
    assert parameters["seed"] == plan["subjects"][0]["seed"]
    for folder, kind in ((demo, "raw"), (demo / "derivatives" / "truth", "derivative")):
        assert json.loads((folder / "dataset_description.json").read_text())["DatasetType"] == kind


def test_rescans_differ_and_warp_is_written_on_request_only(tmp_path):
    designs = {"pair": {**DESIGNS["demo"], "subjects": 1, "visits": [1, 1], "runs": 2, "contrasts": ["t1w"]}}
    folder = simulator(tmp_path / "pair", cohort="pair", designs=designs).run()
    scan, rescan = (np.asarray(nibabel.load(image.path).dataobj) for image in read_cohort(folder))
    assert not np.array_equal(scan, rescan)
    assert not list(folder.rglob("*xfm*"))


def test_clean_truth_of_later_visits_is_written_on_request(demo, tmp_path):
    folder = simulator(tmp_path / "clean", clean_truth=True, subjects=1).run()
    images = [image for image in read_cohort(folder) if image.run == 1]
    truths = {clean_truth_path(folder, i.subject, i.session, i.contrast): i.is_reference for i in images}
    assert all(path.is_file() != first for path, first in truths.items())
    truth = np.asarray(nibabel.load(next(path for path, first in truths.items() if not first)).dataobj)
    assert truth.dtype == np.int16 and truth[4, 4, 5] > 1.1 * truth[4, 4, 3] > 0
    assert not list(demo.rglob("*desc-clean*"))


def test_brains_of_patients_are_older_than_they_are(tmp_path):
    patients = {"brain_years": 10, "share": {"demo-A": 1.0}}
    designs = {"demo": {**DESIGNS["demo"], "patients": patients}}
    folder = simulator(tmp_path / "patients", designs=designs, subjects=1).run()
    truth = json.loads((folder / "derivatives/truth/sub-01/anat/sub-01_parameters.json").read_text())
    _, row = (line.split("\t") for line in (folder / "participants.tsv").read_text().splitlines())
    assert row[4] == "10.0" and truth["age"] == pytest.approx(float(row[1]) + 10)


class HalveLeft(BiasCorrection):
    def correct(self, voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
        assert np.array_equal(affine, GRID_AFFINE)
        return np.concatenate([voxels[:4] / 2, voxels[4:]])


def test_bias_is_corrected_on_request(demo, tmp_path):
    folder = simulator(tmp_path / "corrected", subjects=1, bias_correction=HalveLeft()).run()
    image = read_cohort(folder)[0].path
    corrected, acquired = (np.asarray(nibabel.load(path).dataobj, float) for path in (image, read_cohort(demo)[0].path))
    ratio = (corrected / acquired.clip(min=1))[acquired > 0].reshape(2, -1).mean(axis=1)
    assert ratio[1] / ratio[0] == pytest.approx(2, rel=0.01)
    name = f"{image.name.removesuffix('.nii.gz')}.json"
    assert json.loads(image.with_name(name).read_text())["BiasCorrection"] == "N4"
    assert "BiasCorrection" not in json.loads((demo / "sub-01/ses-01/anat" / name).read_text())


def test_same_seed_same_bytes_whatever_the_workers(demo, tmp_path):
    again = simulator(tmp_path / "elsewhere", write_warp=True, workers=2).run()
    assert digests(again) == digests(demo)


def test_other_seed_other_images(demo, tmp_path):
    other = digests(simulator(tmp_path / "other", seed=2, subjects=1).run())
    name = "sub-01/ses-01/anat/sub-01_ses-01_run-1_T1w.nii.gz"
    assert other[name] != digests(demo)[name]


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(FloatingPointError, match="flair"):
        simulator(tmp_path / "broken", phantom=TinyPhantom(fails_at="flair")).run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subjects": 0}, "cohort demo: `subjects` must be a whole number of at least 1, got 0"),
        (
            {"cohort": "demos"},
            "`cohort` must be one of demo, fthp, masivar, .*, treat, unpaired, unpaired_travel, got demos",
        ),
        ({"cohort": 12}, "`cohort` must be one of demo, .*, got 12"),
        (
            {"designs": {"demo": {**DESIGNS["demo"], "scanners": ["S99-01"]}}},
            "must be scanners of the population, got S99",
        ),
        ({"workers": 0}, "`workers` must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0, got -1"),
        ({"threads_per_worker": 1.5}, "`threads_per_worker` must be a whole number of at least 1, got 1.5"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        simulator(tmp_path / "new", **options).run()
    assert list(tmp_path.iterdir()) == []


def test_output_folder_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="`output_dir` must be .*holds something else"):
        simulator(tmp_path).run()
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_output_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="`output_dir` must be in a folder that can be written"):
        simulator(tmp_path / "file" / "cohort").run()


def test_bundle_run_ends_with_an_error_code(tmp_path):
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/simulate.json"]
    command += ["--cohort", "demo", "--subjects", "0", "--output_dir", str(tmp_path / "new")]
    done = subprocess.run(command, cwd=BUNDLE, capture_output=True, text=True)
    assert done.returncode != 0
    assert "cohort demo: `subjects` must be a whole number of at least 1, got 0" in done.stderr
    assert list(tmp_path.iterdir()) == []
