"""What a run over a cohort does beside harmonizing: it passes over, overlaps, keeps memory low, and locks."""

import errno
import gc
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Engine, Events
from monai.data import ThreadDataLoader
from monai.transforms import Compose

from scripts.base.errors import InputError
from scripts.base.folder_lock import hold_part
from scripts.harmonize.harmonizer import Harmonizer
from scripts.harmonize.model_weights import ModelWeights
from scripts.harmonize.outputs import Outputs
from scripts.harmonize.site_targets import SiteTargets
from scripts.harmonize.subjects import Subject, SubjectDataset, first
from scripts.harmonize.targets import TargetPreparation
from scripts.inferers.harmonization import VolumeInferer
from scripts.jobs.jobs import Job
from scripts.jobs.targets import StoredCode, TargetSpec
from scripts.methods.classical.method import ClassicalMethod
from scripts.methods.classical.none import NoHarmonization
from scripts.preprocessing.intensity_scale import ScaleByPercentiled
from scripts.preprocessing.restore_scale import RestoreScaled

from .bids_study import contents, status, write_study, write_target


class Reading:
    """A transform that counts what is read."""

    count = 0

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        Reading.count += 1
        return data


def make_jobs(folder: Path, people: int) -> list[Job]:
    write_study(folder / "study", people)
    target: dict[str, TargetSpec] = {"t1w": write_target(folder)}
    numbers = [f"{number:02d}" for number in range(1, people + 1)]
    return [
        Job(f"sub-{n}", None, None, {"t1w": folder / f"study/sub-{n}/anat/sub-{n}_T1w.nii.gz"}, target) for n in numbers
    ]


def harmonizer(jobs: list[Job], output: Path, **changes: Any) -> Harmonizer:
    transform, inferer = Compose([Reading(), *changes.pop("steps", [])]), changes.pop("inferer", VolumeInferer())
    method = ClassicalMethod("none", NoHarmonization(), inferer)
    dataset = SubjectDataset(jobs, transform)
    loader = ThreadDataLoader(dataset, batch_size=1, num_workers=0, collate_fn=first)
    parts: dict[str, Any] = {
        "device": "cpu",
        "val_data_loader": loader,
        "targets": TargetPreparation(method, transform, ModelWeights()),
        "outputs": Outputs(output, bundle_version="1"),
        "postprocessing": Compose([]),
    }
    return Harmonizer(**(parts | changes))


def test_what_an_earlier_run_left_is_recognised_before_any_image_is_decoded(tmp_path):
    jobs = make_jobs(tmp_path, people=2)
    harmonizer(jobs, tmp_path / "out").run()
    before, Reading.count = contents(tmp_path / "out"), 0
    harmonizer(jobs, tmp_path / "out").run()
    assert Reading.count == 0
    assert contents(tmp_path / "out") == before
    # Another target, source or reference each makes another image.
    write_target(tmp_path).write_bytes(jobs[0].sources["t1w"].read_bytes())
    harmonizer(jobs, tmp_path / "out").run()
    # Both sources, and the target once.
    assert Reading.count == 3
    jobs[1].sources["t1w"].write_bytes(b"")
    with pytest.raises(InputError, match="1 of 2 subjects could not be harmonized:\nsub-02: .* is empty"):
        harmonizer(jobs, tmp_path / "out").run()
    assert status(tmp_path / "out")["sub-01"] == ["done", ""]


def test_modules_that_are_moved_or_renamed_leave_outputs_current(tmp_path, monkeypatch):
    jobs = make_jobs(tmp_path, people=2)

    def run(upper: float = 5.0) -> int:
        """How many images are computed."""
        Reading.count = 0
        steps, back = [ScaleByPercentiled(percentile=99.999, upper=upper)], Compose([RestoreScaled(["pred"])])
        harmonizer(jobs, tmp_path / "out", steps=steps, postprocessing=back).run()
        return Reading.count

    # Both sources, and the target once.
    assert run() == 3
    before = contents(tmp_path / "out")
    for number, part in enumerate((NoHarmonization, ClassicalMethod, VolumeInferer, ScaleByPercentiled, RestoreScaled)):
        monkeypatch.setattr(part, "__module__", f"scripts.elsewhere.module_{number}")
    assert run() == 0
    assert contents(tmp_path / "out") == before
    assert run(upper=4.0) == 3


def test_a_code_that_the_method_does_not_take_ends_the_run_before_any_work(tmp_path):
    jobs, code = make_jobs(tmp_path, people=2), StoredCode("t1w", {"theta": [0.0]}, name="mine")
    jobs[1] = replace(jobs[1], targets={"t1w": code})
    Reading.count = 0
    with pytest.raises(InputError, match="^the target of none must be an image, got the code mine$"):
        harmonizer(jobs, tmp_path / "out").run()
    assert Reading.count == 0 and not (tmp_path / "out").exists()


def test_codes_of_people_who_are_not_in_the_run_stop_nobody(tmp_path):
    jobs = make_jobs(tmp_path, people=2)
    others = [replace(jobs[1], targets={"t1w": StoredCode("t1w", {"theta": [0.0]}, name="mine")})]
    one = harmonizer(jobs[:1], tmp_path / "out")
    one.sites = SiteTargets([*jobs[:1], *others], one.targets, tmp_path / "out")
    one.run()
    assert status(tmp_path / "out") == {"sub-01": ["done", ""]}


def test_a_choice_among_images_is_recorded(tmp_path):
    (job,) = make_jobs(tmp_path, people=1)
    harmonizer([replace(job, choices=("t1w is a, not b",))], tmp_path / "out").run()
    sidecar = json.loads((tmp_path / "out/sub-01/anat/sub-01_desc-harmonized_T1w.json").read_text())
    assert sidecar["Found"]["choices"] == ["t1w is a, not b"]
    assert (tmp_path / "out" / "status.csv").read_text().endswith(',"t1w is a, not b"\n')


class Watcher:
    """A handler that counts the subjects which are in memory, and the threads that write."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.count)

    def count(self) -> None:
        self.counts.append(sum(type(item) is Subject for item in gc.get_objects()))


def test_memory_does_not_grow_with_the_number_of_subjects(tmp_path):
    watcher = Watcher()
    harmonizer(make_jobs(tmp_path, people=6), tmp_path / "out", val_handlers=[watcher]).run()
    assert len(watcher.counts) == 6
    # One is read, one waits to be computed, one is, and one is written.
    assert max(watcher.counts) <= 4


def test_a_subject_is_written_while_the_next_one_is_computed(tmp_path):
    jobs, moments = make_jobs(tmp_path, people=2), threading.Barrier(2, timeout=60)

    class Meeting(VolumeInferer):
        def harmonize(self, image: Any, *others: Any) -> Any:
            if image.max() > 400:  # the second, of gain 200
                moments.wait()
            return super().harmonize(image, *others)

    class SlowOutputs(Outputs):
        def write(self, subject: Subject, *others: Any) -> list[Path]:
            if subject.job.subject == "sub-01":
                moments.wait()
            return super().write(subject, *others)

    # Neither gets past the barrier before the other is there.
    harmonizer(jobs, tmp_path / "out", inferer=Meeting(), outputs=SlowOutputs(tmp_path / "out")).run()
    assert {state for state, _ in status(tmp_path / "out").values()} == {"done"}


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(tmp_path):
    jobs = make_jobs(tmp_path, people=6)

    class FullOutputs(Outputs):
        def write(self, subject: Subject, *others: Any) -> list[Path]:
            if subject.job.subject != "sub-01":
                raise InputError("cannot be written") from OSError(errno.ENOSPC, "No space left on device")
            return super().write(subject, *others)

    with pytest.raises(InputError) as caught:
        harmonizer(jobs, tmp_path / "out", outputs=FullOutputs(tmp_path / "out")).run()
    # The third may have been computed when it turned out that the second could not be written.
    heading, *_, rest = str(caught.value).splitlines()
    assert re.fullmatch("[12] of 6 subjects could not be harmonized:", heading)
    assert re.fullmatch("[34] more were not tried, since the disk is full", rest)
    assert caught.value.exit_code == 2
    states = [state for state, _ in status(tmp_path / "out").values()]
    assert states[:2] + states[4:] == ["done", "failed", "waiting", "waiting"]
    harmonizer(jobs, tmp_path / "out").run()
    assert {state for state, _ in status(tmp_path / "out").values()} == {"done"}


def test_a_second_run_on_a_folder_is_refused_and_changes_nothing(tmp_path):
    jobs = make_jobs(tmp_path, people=1)
    harmonizer(jobs, tmp_path / "out").run()
    before = contents(tmp_path / "out")
    with (
        hold_part(tmp_path / "out", 0, 1),
        pytest.raises(InputError, match="`output_dir` must be written by one run at a time, .* in use by process"),
    ):
        harmonizer(jobs, tmp_path / "out").run()
    assert contents(tmp_path / "out") == before


def test_a_process_whose_share_is_empty_leaves_the_others_rows_alone(tmp_path):
    jobs = make_jobs(tmp_path, people=1)
    harmonizer(jobs, tmp_path / "out", outputs=Outputs(tmp_path / "out", part=0, parts=2)).run()
    harmonizer([], tmp_path / "out", outputs=Outputs(tmp_path / "out", part=1, parts=2)).run()
    assert status(tmp_path / "out") == {"sub-01": ["done", ""]}


def test_what_was_left_before_the_folder_was_marked_does_not_make_it_foreign(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".partial-1-dataset_description.json").write_text("{")
    harmonizer(make_jobs(tmp_path, people=1), tmp_path / "out").run()
    assert not list((tmp_path / "out").glob(".partial-*"))
