"""A site of the cohort as the target of all."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from monai.transforms import Compose

from scripts.base.errors import InputError
from scripts.harmonize.model_weights import ModelWeights
from scripts.harmonize.site_targets import SiteTargets
from scripts.harmonize.targets import TargetPreparation
from scripts.inferers.harmonization import VolumeInferer
from scripts.jobs.jobs import Job
from scripts.jobs.targets import SiteTarget, StoredCode, read_target_code
from scripts.methods.base import Method
from scripts.methods.classical.method import ClassicalMethod
from scripts.methods.classical.nyul import NyulMatching
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.levels import LevelCalibration
from scripts.methods.haca3.method import Haca3Method
from scripts.methods.haca3.tone import ToneCalibration
from scripts.methods.haca3.triplanar import TriPlanarInferer
from scripts.preprocessing.intensity_scale import ScaleByPercentiled

from .tiny_subjects import narrow_haca3, write_ball


def haca3(**options: Any) -> Haca3Method:
    return Haca3Method("haca3", narrow_haca3(), TriPlanarInferer(MedianFusion()), **options)


def nyul() -> ClassicalMethod:
    return ClassicalMethod("nyul", NyulMatching(), VolumeInferer())


def numbers(stored: StoredCode) -> list[float]:
    return [*stored.numbers["theta"], *stored.numbers["eta"]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people of site A look alike, two of site B do not; of site C there is one."""
    folder = tmp_path_factory.mktemp("images")
    for name, seed, gain in (("a1", 1, 100), ("a2", 1, 100), ("b1", 2, 100), ("b2", 3, 700), ("c1", 4, 100)):
        write_ball(folder / f"{name}.nii.gz", seed=seed, gain=gain)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def cohort(folder: Path, target: str | None) -> list[Job]:
    names = ("b1", "a1", "c1", "b2", "a2")
    return [
        Job(f"sub-{name}", None, None, {"t1w": folder / f"{name}.nii.gz"}, {"t1w": SiteTarget(target)}, name[0].upper())
        for name in names
    ]


def site_targets(jobs: Sequence[Job], folder: Path, **changes: Any) -> SiteTargets:
    method: Method = changes.pop("method", None) or haca3()
    weights = ModelWeights([method.network] if method.can.stored_codes else [], random=True)
    weights.load()
    preparation = TargetPreparation(method, Compose([ScaleByPercentiled(percentile=99.999)]), weights)
    return SiteTargets(jobs, **{"preparation": preparation, "folder": folder, "fewest_images": 2, **changes})


def test_the_steadiest_site_is_the_target_of_all(images, out, caplog):
    caplog.set_level(logging.INFO, "scripts")
    jobs = cohort(images, None)
    sites = site_targets(jobs, out)
    one, two = (job.targets["t1w"] for job in sites.resolve(jobs[1:3]))
    assert isinstance(one, StoredCode) and one == two
    alone = sites.preparation(images / "a1.nii.gz", "t1w")
    np.testing.assert_allclose(numbers(one), [*alone.code.theta, *alone.code.eta], rtol=1e-6)
    assert one.scale == pytest.approx(alone.code.scale)
    assert (one.name, one.origin, one.weights, one.method) == (
        *("site:A", "mean of 2 images of site A", "random-0", "haca3"),
    )
    stored = read_target_code(out / "target-A_T1w.json")
    assert (numbers(stored), stored.scale, stored.method) == (numbers(one), one.scale, "haca3")
    said = "\n".join(caplog.messages)
    assert "site A: images {'t1w': 2}, variability of codes 0.0" in said
    assert "site C: images {'t1w': 1}, variability of codes not taken" in said
    assert said.endswith("the target of t1w is the mean of 2 images of site A")


def test_a_named_site_is_the_target_and_people_who_are_not_in_the_run_count_too(images, out):
    jobs = cohort(images, "B")
    sites = site_targets(jobs, out)
    (job,) = sites.resolve(jobs[:1])
    codes = [sites.preparation(images / f"{name}.nii.gz", "t1w").code for name in ("b1", "b2")]
    target = job.targets["t1w"]
    assert isinstance(target, StoredCode)
    np.testing.assert_allclose(numbers(target), np.mean([[*c.theta, *c.eta] for c in codes], axis=0), rtol=1e-5)


def test_what_cannot_be_read_is_left_out(images, out, tmp_path, caplog):
    jobs = cohort(images, "B")
    path = jobs[3].sources["t1w"] = tmp_path / "absent.nii.gz"
    (job,) = site_targets(jobs, out).resolve(jobs[:1])
    assert isinstance(job.targets["t1w"], StoredCode)
    assert job.targets["t1w"].origin == "mean of 1 images of site B"
    words = f"site B is judged without sub-b2: target {path}: image file {path} does not exist"
    assert words in caplog.messages


def test_an_image_of_a_site_that_is_damaged_is_left_out(images, out, tmp_path, caplog):
    jobs = cohort(images, "B")
    path = jobs[3].sources["t1w"] = tmp_path / "bad.nii"
    nibabel.save(nibabel.load(images / "b2.nii.gz"), path)
    content = bytearray(path.read_bytes())
    # scl_slope and scl_inter
    content[112:120] = np.array([1, np.inf], "<f4").tobytes()
    path.write_bytes(content)
    (job,) = site_targets(jobs, out).resolve(jobs[:1])
    assert isinstance(job.targets["t1w"], StoredCode)
    assert job.targets["t1w"].origin == "mean of 1 images of site B"
    words = f"site B is judged without sub-b2: target {path}: `scl_slope` and `scl_inter` of image file {path} must be"
    assert any(message.startswith(words) for message in caplog.messages)


def test_an_image_of_a_site_at_which_anything_else_fails_is_left_out(images, out, caplog):
    jobs = cohort(images, "B")
    sites = site_targets(jobs, out)

    def fail_on_one(data: dict[str, Any]) -> dict[str, Any]:
        if data["image"].max() > 1000:
            raise IndexError("out of bounds")
        return ScaleByPercentiled(percentile=99.999)(data)

    sites.preparation.transform = fail_on_one
    (job,) = sites.resolve(jobs[:1])
    assert isinstance(job.targets["t1w"], StoredCode)
    assert "site B is judged without sub-b2: unexpected IndexError: out of bounds" in caplog.messages


@pytest.mark.parametrize(
    ("target", "changes", "words"),
    [
        (
            "D",
            {},
            "target `site:D` must be a site with t1w images that can be read; sites with such images are A, B, C",
        ),
        (
            None,
            {"fewest_images": 3},
            "target `auto` needs a site with at least 3 people who have each of t1w; sites are A, B, C",
        ),
        ("A", {"method": nyul()}, "a site as the target needs a method whose codes have a mean, .* this is nyul"),
    ],
)
def test_a_site_that_cannot_be_the_target_is_refused(images, out, target, changes, words):
    jobs = cohort(images, target)
    with pytest.raises(InputError, match=words):
        site_targets(jobs, out, **changes).resolve(jobs)


def test_a_site_of_one_image_cannot_be_the_steadiest(images, out):
    with pytest.raises(InputError, match="`fewest_images` must be at least 2, since one image does not vary, got 1"):
        site_targets(cohort(images, None), out, fewest_images=1)


def test_jobs_with_other_targets_stay_as_they_are(images, out):
    jobs = [Job("sub-1", None, None, {}, {"t1w": images / "a1.nii.gz"})]
    assert site_targets(jobs, out, method=nyul()).resolve(jobs) == jobs


@pytest.mark.parametrize(("contrast", "levels"), [("flair", 5), ("t1w", None)])
def test_a_site_has_levels_of_a_contrast_that_somebody_lacks(tmp_path, out, contrast, levels):
    jobs = []
    for name in ("p1", "p2"):
        files = {s.lower(): write_ball(tmp_path / f"{name}_{s}.nii.gz", len(s)) for s in ("T1w", "FLAIR")}
        jobs.append(Job(f"sub-{name}", None, None, files, {contrast: SiteTarget("A")}, "A"))
    lacking = write_ball(tmp_path / "p3_T1w.nii.gz", 1)
    jobs.append(Job("sub-p3", None, None, {"t1w": lacking}, {contrast: SiteTarget("A")}, "B"))
    sites = site_targets(jobs, out, method=haca3(levels=LevelCalibration()))
    target = sites.resolve(jobs[2:])[0].targets[contrast]
    assert isinstance(target, StoredCode)
    found = target.numbers["levels"]
    assert (found and len(found)) == levels


def test_the_method_takes_the_code_of_a_site_with_its_curve(images, out):
    jobs = cohort(images, "A")
    method = haca3(tone=ToneCalibration())
    # Else nothing but black comes out, which has no curve.
    sites = site_targets(jobs, out, method=method)
    method.network.decoder.head.bias.data += 1
    (job,) = sites.resolve(jobs[:1])
    stored = job.targets["t1w"]
    assert isinstance(stored, StoredCode)
    code, read = (method.read_code(each) for each in (stored, read_target_code(out / "target-A_T1w.json")))
    assert code.tone is not None and (code.tone, code.theta, code.eta) == (read.tone, read.theta, read.eta)
