"""What an evaluation measures and writes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.bundle import ConfigParser

from scripts.base.errors import InputError
from scripts.evaluation.measurements import Measurement, read_measurements
from scripts.images.bids_cohort import clean_truth_path, read_cohort
from scripts.images.volumes import read_volume, write_volume
from scripts.metrics.image import psnr
from scripts.metrics.scaling import divide_by_percentile
from scripts.metrics.ssim import global_ssim, windowed_ssim

from .ball_cohort import AFFINE, BRAIN, DISTANCE, draw_image, make_evaluation, write_cohort, write_copy_of_references

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder)
    return folder


@pytest.fixture(scope="module")
def copies(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_copy_of_references(tmp_path_factory.mktemp("copies"), read_cohort(cohort))


@pytest.fixture(scope="module")
def result(cohort: Path, copies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("results") / "evaluation"
    make_evaluation(cohort, {"copies": copies}, output).run()
    return output


def pick(measurements: list[Measurement], **wanted: Any) -> list[Measurement]:
    return [m for m in measurements if all(getattr(m, name) == value for name, value in wanted.items())]


def test_writes_every_table_and_figure_and_nothing_beside(result: Path) -> None:
    files = {str(path.relative_to(result)) for path in result.rglob("*") if path.is_file()}
    assert files == {
        "evaluation.json",
        *(f"measurements/{name}.csv" for name in ("images", "regions", "site_probe")),
        *(f"tables/{name}.{kind}" for name in ("images", "harm", "regions", "site_probe") for kind in ("csv", "md")),
        *(f"figures/{name}.png" for name in ("examples", "images_psnr", "images_ssim", "regions_cv", "site_probe")),
    }
    assert [path.name for path in result.parent.iterdir()] == ["evaluation"]


def test_image_measures_are_those_of_the_scaled_images_inside_the_truth_mask(result: Path, cohort: Path) -> None:
    measurements = read_measurements(result / "measurements" / "images.csv")
    reference, image = (
        divide_by_percentile(read_volume(i.path)[0], BRAIN)
        for i in read_cohort(cohort)
        if i.subject == "sub-01" and i.run == 1 and i.session in ("ses-01", "ses-03")
    )
    found = {m.measure: m.value for m in pick(measurements, method="unharmonized", subject="sub-01", session="ses-03")}
    assert found["psnr"] == pytest.approx(psnr(image, reference, BRAIN))
    assert found["ssim_structure"] == pytest.approx(
        windowed_ssim(image, reference, BRAIN, radius=2).structure, abs=1e-6
    )
    assert found["global_ssim_contrast"] == pytest.approx(global_ssim(image, reference, BRAIN).contrast)


def test_compares_what_is_to_be_compared(result: Path) -> None:
    measured = pick(read_measurements(result / "measurements" / "images.csv"), measure="psnr")
    visits = {m: {(p.subject, p.session, p.run) for p in pick(measured, method=m)} for m in ("copies", "rescan")}
    assert visits["copies"] == {(s, v, 1) for s in ("sub-01", "sub-02") for v in ("ses-02", "ses-03")}
    assert visits["rescan"] == {(s, v, 2) for s in ("sub-01", "sub-02") for v in ("ses-01", "ses-02", "ses-03")}


def test_a_rescan_is_compared_with_the_scan_of_its_own_visit(result: Path, cohort: Path) -> None:
    scans = [i for i in read_cohort(cohort) if i.subject == "sub-02" and i.session == "ses-03"]
    scan, rescan = (divide_by_percentile(read_volume(i.path)[0], BRAIN) for i in scans)
    measured = read_measurements(result / "measurements" / "images.csv")
    found = pick(measured, method="rescan", subject="sub-02", session="ses-03", measure="psnr")
    assert [m.value for m in found] == [pytest.approx(psnr(rescan, scan, BRAIN))]


def test_similarity_of_images_needs_no_output_of_the_first_visits(cohort: Path, result: Path, tmp_path: Path) -> None:
    copies = write_copy_of_references(tmp_path / "copies", read_cohort(cohort))
    for folder in copies.glob("sub-*/ses-01"):
        shutil.rmtree(folder)
    make_evaluation(cohort, {"copies": copies}, tmp_path / "evaluation", tables=["images"]).run()
    measured, all_of_them = (
        read_measurements(f / "measurements" / "images.csv") for f in (tmp_path / "evaluation", result)
    )
    assert measured == all_of_them
    with pytest.raises(InputError, match="every image of the cohort is needed from every method, but .*ses-01"):
        make_evaluation(cohort, {"copies": copies}, tmp_path / "regions", tables=["regions"]).run()


def test_regions_hold_volumes_dice_truth_and_harmonized_volumes(result: Path) -> None:
    measured = read_measurements(result / "measurements" / "regions.csv")
    truth = pick(measured, method="truth", subject="sub-01", region="cerebral_wm")
    assert [m.value for m in truth] == pytest.approx([8.0 * np.count_nonzero(DISTANCE < 4.4)])  # 2 x 2 x 2 mm
    assert {m.session for m in pick(measured, method="copies", measure="dice")} == {"ses-02", "ses-03"}
    centred = pick(measured, method="centred", region="cerebral_wm")
    means = [np.mean([m.value for m in centred if m.scanner == f"scanner-{n}"]) for n in (1, 2, 3)]
    assert means == pytest.approx([means[0]] * 3)


def test_a_method_that_copies_the_reference_wins(result: Path) -> None:
    table = (result / "tables" / "regions.md").read_text(encoding="utf-8")
    section = table.split("### CV of volume")[1].split("###")[0]
    line = next(line for line in section.splitlines() if line.startswith("| cerebral_wm"))
    unharmonized, copies = (float(cell.split("±")[0]) for cell in line.split("|")[2:4])
    assert copies < 0.2 * unharmonized


def test_settings_are_recorded(result: Path) -> None:
    settings = json.loads((result / "evaluation.json").read_text())["Settings"]
    assert settings["scaling"] == {"_target_": "divide_by_percentile"}
    assert settings["image_metrics"]["ssim"]["radius"] == 2
    assert settings["segmenter"]["threshold"] == 70.0


def test_batches_change_no_number(cohort: Path, copies: Path, result: Path, tmp_path: Path) -> None:
    make_evaluation(cohort, {"copies": copies}, tmp_path / "again", tables=["images"], batch_size=2).run()
    again, expected = (read_measurements(f / "measurements" / "images.csv") for f in (tmp_path / "again", result))
    assert len(again) == len(expected)
    assert set(again) == set(expected)


def test_a_cohort_without_truth_and_rescans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cohort(tmp_path / "cohort", subjects=1, sessions=2, runs=1)
    for file in (tmp_path / "cohort" / "derivatives").rglob("*.nii.gz"):
        file.unlink()
    make_evaluation(tmp_path / "cohort", {}, tmp_path / "out", tables=["images", "regions"]).run()
    measured = read_measurements(tmp_path / "out" / "measurements" / "regions.csv")
    assert {m.method for m in measured} == {"unharmonized"}
    assert "the row centred is left out: a scanner has one scan" in capsys.readouterr().err


def test_replaces_an_earlier_evaluation(cohort: Path, tmp_path: Path) -> None:
    make_evaluation(cohort, {}, tmp_path / "out", tables=["images"]).run()
    make_evaluation(cohort, {}, tmp_path / "out", tables=["site_probe"]).run()
    assert [path.name for path in (tmp_path / "out" / "tables").glob("*.md")] == ["site_probe.md"]


def test_the_config_runs_in_several_processes(cohort: Path, copies: Path, result: Path, tmp_path: Path) -> None:
    config = ConfigParser()
    config.read_config(ROOT / "configs" / "evaluate.json")
    config.update(
        {
            "cohort_dir": str(cohort),
            "methods": {"copies": str(copies)},
            "output_dir": str(tmp_path / "out"),
            "contrasts": ["t1w"],
            "workers": 2,
            "segmenter": {"_target_": "tests.evaluation.ball_cohort.ThresholdSegmenter"},
        }
    )
    config.get_parsed_content("evaluation").run()
    for name, measure in (("images", "psnr"), ("regions", "dice")):
        found, expected = (
            pick(read_measurements(folder / "measurements" / f"{name}.csv"), measure=measure)
            for folder in (tmp_path / "out", result)
        )
        assert found == expected
    assert "| combat |" in (tmp_path / "out" / "tables" / "regions.md").read_text(encoding="utf-8")


def test_later_visits_are_compared_with_their_clean_truth_where_asked_for(copies: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    for image in write_cohort(cohort, runs=1):
        if not image.is_reference:
            truth = draw_image(7, 6.0 if image.session == "ses-02" else 7.0, noise=0.0)
            write_volume(clean_truth_path(cohort, image.subject, image.session, image.contrast), truth, AFFINE)
    make_evaluation(cohort, {"copies": copies}, tmp_path / "out", truth="clean", tables=["images"]).run()
    measurements = read_measurements(tmp_path / "out" / "measurements" / "images.csv")
    image = next(i for i in read_cohort(cohort) if (i.subject, i.session) == ("sub-01", "ses-03"))
    scaled = [divide_by_percentile(each, BRAIN) for each in (read_volume(image.path)[0], draw_image(7, 7.0, noise=0.0))]
    (found,) = pick(measurements, method="unharmonized", subject="sub-01", session="ses-03", measure="psnr")
    assert found.value == pytest.approx(psnr(*scaled, BRAIN))
    assert "what the first visit's scanner would show" in (tmp_path / "out" / "tables" / "images.md").read_text()


def test_the_picture_shows_the_visit_that_differed_most(
    cohort: Path, copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Path]] = []
    monkeypatch.setattr("scripts.evaluation.evaluate.draw_examples", lambda rows, *rest: drawn.append(rows["t1w"]))
    make_evaluation(cohort, {"copies": copies}, tmp_path / "out", tables=["images"]).run()
    measured = read_measurements(tmp_path / "out" / "measurements" / "images.csv")
    worst = min(pick(measured, method="unharmonized", measure="psnr"), key=lambda m: m.value)
    assert (worst.subject, worst.session) != ("sub-01", "ses-02")
    assert f"{worst.subject}_{worst.session}" in drawn[0]["unharmonized"].name
    assert f"{worst.subject}_ses-01" in drawn[0]["reference"].name
