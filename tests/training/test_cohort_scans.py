import json
import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import Compose
from torch.utils.data import default_collate

from scripts.base.contrasts import BIDS_SUFFIX
from scripts.base.errors import InputError
from scripts.images.grid import GRID_AFFINE
from scripts.images.orientations import to_slices
from scripts.images.sources import read_sources
from scripts.preprocessing.background import RemoveBackgroundd
from scripts.preprocessing.intensity_scale import ScaleByPercentiled
from scripts.training.cohort_scans import CohortScans
from scripts.training.slices import SliceStream
from scripts.training.visits import UNKNOWN, Visit, cohort_visits

from .box_stream import box_stream

SHAPE = (20, 24, 22)
# Where the first voxel lies on the working grid: its center is inside.
START = (86, 100, 85)


def write(path: Path, gain: float = 100.0, size: float = 1.0, seed: int = 0, start: tuple = START) -> Path:
    """Noise between 1 and 2, times the gain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = GRID_AFFINE @ nibabel.affines.from_matvec(size * np.eye(3), start)
    voxels = gain * (1 + np.random.default_rng(seed).random(SHAPE))
    nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), affine), path)
    return path


def divide(data: dict[str, Any]) -> dict[str, Any]:
    """Stands for preprocessing, of which a test has its own."""
    return {**data, "image": data["image"] / 100}


def slices(visits: list[Visit], preprocessing: Any = divide, **options: Any) -> SliceStream:
    small = {"slices_per_orientation": 2, "reference_slices": 4, "rounds": 1}
    return SliceStream(CohortScans(visits, preprocessing), **{**small, **options})


def visit(name: str, site: str = "S", **sources: Path) -> Visit:
    return Visit(name, name, site, "A", sources)


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Two people at two sites; the second has no FLAIR image."""
    for number, contrasts in enumerate((("t1w", "flair"), ("t1w",)), start=1):
        for channel, contrast in enumerate(contrasts):
            stem = f"sub-0{number}/ses-01/anat/sub-0{number}_ses-01_{BIDS_SUFFIX[contrast]}"
            write(tmp_path / f"{stem}.nii.gz", seed=10 * number + channel)
            place = {"InstitutionName": f"site-{number}", "StationName": f"scanner-{number}"}
            (tmp_path / f"{stem}.json").write_text(json.dumps(place))
    return tmp_path


def test_visits_of_a_folder_know_their_site(bids):
    first, second = cohort_visits(cohort_dir=str(bids))
    assert (first.name, first.subject, first.site, first.scanner) == (
        "sub-01_ses-01_run-1",
        "sub-01",
        "site-1",
        "scanner-1",
    )
    assert list(first.sources) == ["t1w", "flair"]
    assert (second.subject, second.site, list(second.sources)) == ("sub-02", "site-2", ["t1w"])
    assert [list(v.sources) for v in cohort_visits(cohort_dir=str(bids), contrasts="t1w")] == [["t1w"]] * 2


def test_visits_of_a_file_know_their_site_from_sidecars(bids):
    write(bids / "plain.nii")
    anat = "sub-01/ses-01/anat/sub-01_ses-01"
    (bids / "study.csv").write_text(
        f"subject,session,t1w,flair\n01,2,{anat}_T1w.nii.gz,{anat}_FLAIR.nii.gz\n7,,plain.nii,\n"
    )
    first, second = cohort_visits(cohort_file=str(bids / "study.csv"))
    assert (first.name, first.site, list(first.sources)) == ("sub-01_ses-2", "site-1", ["t1w", "flair"])
    assert (second.name, second.site, second.scanner) == ("sub-7", UNKNOWN, UNKNOWN)


def test_a_file_may_name_site_and_scanner_and_some_people_may_be_chosen(bids):
    anat = "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz"
    (bids / "study.csv").write_text(f"subject,t1w,site,scanner\n01,{anat},Oslo,Prisma\n02,{anat},,\n03,{anat},,\n")
    visits = cohort_visits(cohort_file=str(bids / "study.csv"), participant_label=["01", "sub-02"])
    assert [(v.subject, v.site, v.scanner) for v in visits] == [
        ("sub-01", "Oslo", "Prisma"),
        ("sub-02", "site-1", "scanner-1"),
    ]


def test_cohort_must_be_given_once(bids):
    with pytest.raises(InputError, match="exactly one of `cohort_dir` and `cohort_file` must be given, got neither"):
        cohort_visits()
    with pytest.raises(InputError, match="exactly one of `cohort_dir` and `cohort_file` must be given, got both"):
        cohort_visits(cohort_dir="a", cohort_file="b.csv")
    with pytest.raises(InputError, match="cohort_dir must hold images .* found none in"):
        cohort_visits(cohort_dir=str(bids / "sub-01"))


def test_samples_are_slices_of_the_preprocessed_images(bids):
    visits = cohort_visits(cohort_dir=str(bids))
    samples = {(sample["subject"], sample["orientation"], sample["slice"]): sample for sample in slices(visits)}
    assert len(samples) == 2 * 3 * 2
    sample = samples["sub-01", "axial", 112]
    t1w, flair = (nibabel.load(path).get_fdata(dtype=np.float32) / 100 for path in visits[0].sources.values())
    # Padding adds 16 voxels on either side of x and z; y fills the cube.
    x, y, z = START[0] + 16, START[1], START[2] + 16
    expected = np.zeros((4, 224, 224), np.float32)
    expected[[0, 3], y : y + 24, x : x + 20] = np.stack([t1w, flair])[..., 112 - z].swapaxes(1, 2)
    np.testing.assert_array_equal(sample["image"], expected)
    assert sample["available"].tolist() == [1, 0, 0, 1]
    np.testing.assert_array_equal(sample["mask"], expected[:1] > 0)
    assert (sample["site"], sample["scanner"]) == ("site-1", "scanner-1")
    # Of the central coronal slices 110 to 113 one.
    coronal = np.zeros((4, 4, 224, 224), np.float32)
    rows = slice(224 - z - 22, 224 - z)
    coronal[:, [0, 3], rows, x : x + 20] = np.stack([t1w, flair])[:, :, 110 - y : 114 - y, ::-1].transpose(2, 0, 3, 1)
    assert any(np.array_equal(sample["reference"], candidate) for candidate in coronal)
    assert samples["sub-02", "axial", 112]["available"].tolist() == [1, 0, 0, 0]


def test_preprocessing_is_the_one_of_inference(tmp_path):
    # The working grid is that of a whole head, of which a tiny image is a thousandth.
    transforms = [ScaleByPercentiled(percentile=99.95), RemoveBackgroundd(radius=1)]
    path = write(tmp_path / "t1w.nii", gain=700)
    dataset = slices([visit("a", t1w=path)], preprocessing=Compose(transforms), orientations=["coronal"])
    sources = read_sources({"t1w": path})
    data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
    expected = to_slices(Compose(transforms)(data)["image"], "coronal")
    for sample in dataset:
        assert torch.equal(sample["image"], expected[:, sample["slice"]])
        assert 0.5 < float(sample["image"].max()) < 2


def test_images_on_any_grid_become_slices_of_one_size(tmp_path):
    coarse = write(tmp_path / "a.nii", size=1.5, start=(80, 95, 80))
    samples = list(slices([visit("a", t1w=coarse)], slices_per_orientation=200, orientations=["axial"]))
    assert {sample["image"].shape for sample in samples} == {(4, 224, 224)}
    # Its 22 slices of 1.5 mm are 33 of 1 mm, the outermost half a voxel beyond the centers.
    assert len(samples) == pytest.approx(33, abs=1)


def test_mask_is_the_foreground_of_any_contrast(tmp_path):
    paths = {"t1w": write(tmp_path / "a.nii"), "flair": write(tmp_path / "b.nii", start=(86, 104, 90), seed=1)}
    for sample in slices([visit("a", **paths)]):
        assert torch.equal(sample["mask"], (sample["image"] > 0.01).any(0, keepdim=True))
        assert not torch.equal(sample["image"][0] > 0, sample["image"][3] > 0)


def test_truth_is_unknown_and_batches_collate_with_other_streams(tmp_path):
    sample = next(iter(slices([visit("a", t1w=write(tmp_path / "a.nii"))])))
    assert not sample["truth"].any() and not sample["truth_reference"].any() and not sample["truth_available"].any()
    batch = default_collate([sample, next(iter(box_stream(field_of_view=224)))])
    assert batch["image"].shape == batch["truth"].shape == (2, 4, 224, 224)


def test_slices_that_show_nothing_are_left_out(tmp_path):
    path = write(tmp_path / "a.nii")
    samples = list(slices([visit("a", t1w=path)], slices_per_orientation=100, orientations=["sagittal"]))
    assert sorted(sample["slice"] for sample in samples) == list(range(START[0] + 16, START[0] + 16 + 20))


def test_rounds_and_epochs_bring_other_orders_and_draws(tmp_path):
    visits = [visit(name, t1w=write(tmp_path / f"{name}.nii")) for name in "ab"]
    dataset = slices(visits, rounds=2, orientations=["axial"], buffer_size=1)
    first, again = ([(s["subject"], s["slice"], s["seed"]) for s in dataset] for _ in range(2))
    assert first == again
    assert len(first) == 2 * 2 * 2 == len({seed for *_, seed in first})
    dataset.set_epoch(2)
    assert not {s["seed"] for s in dataset} & {seed for *_, seed in first}


def test_small_cohorts_are_told_what_they_cannot_do(tmp_path, caplog):
    path, other = write(tmp_path / "a.nii"), write(tmp_path / "b.nii", seed=1)
    with caplog.at_level(logging.WARNING):
        list(slices([visit("a", t1w=path), visit("b", t1w=path, flair=other)]))
    assert [record.getMessage() for record in caplog.records] == [
        "every visit is of the site `S`: sites cannot be compared",
        "1 of 2 visits have a single contrast: no loss can compare their contrasts",
    ]
    caplog.clear()
    slices([visit("a", t1w=path, flair=other), visit("b", site="T", t1w=path, flair=other)])
    assert not caplog.records


def test_unusable_visit_is_left_out_and_said_once(tmp_path, caplog):
    broken, apart = tmp_path / "broken.nii", write(tmp_path / "apart.nii", start=(86, 10, 85))
    broken.write_bytes(b"no image")
    visits = [visit("a", t1w=broken), visit("b", t1w=apart), visit("c", t1w=write(tmp_path / "c.nii"))]
    with caplog.at_level(logging.WARNING):
        samples = list(slices(visits, rounds=2))
    assert [sample["subject"] for sample in samples] == ["c"] * 2 * 3 * 2
    messages = sorted(record.getMessage() for record in caplog.records if "left out" in record.getMessage())
    assert len(messages) == 2
    assert messages[0].startswith("a is left out: ") and "broken.nii" in messages[0]
    assert messages[1] == (
        "b is left out: at least two of the 4 central coronal slices must show every contrast of a visit, 0 of b do"
    )


def test_cohort_of_which_nothing_is_usable_is_refused(tmp_path):
    broken = tmp_path / "broken.nii"
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match="a cohort to train on must have usable visits, but of b, as of all: .*broken"):
        list(slices([visit("b", t1w=broken)], rounds=None))


def test_wrong_arguments_are_refused(tmp_path):
    path = write(tmp_path / "a.nii")
    with pytest.raises(InputError, match="a cohort to train on must have at least one visit, it has none"):
        slices([])
    with pytest.raises(InputError, match="must be files, but 2 are not, the first being gone.nii"):
        slices([visit("a", t1w=path), visit("b", t1w=Path("gone.nii"), flair=Path("lost.nii"))])
    with pytest.raises(InputError, match="`field_of_view` must be at least 224, got 192"):
        slices([visit("a", t1w=path)], field_of_view=192)
