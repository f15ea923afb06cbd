"""The page of several evaluations."""

from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.bench.benchmark import gains, image_lines, main, region_lines
from scripts.evaluation.measurements import Measurement, write_rows


def measure(
    method: str, measure: str, values: list[float], contrast: str = "t1w", region: str = "", sessions: int = 1
) -> list[Measurement]:
    return [
        Measurement(
            *(method, f"sub-{place // sessions:02d}", f"ses-{place % sessions + 1:02d}"),
            *(1, contrast, "site", f"scanner-{place}", measure, region, value),
        )
        for place, value in enumerate(values)
    ]


IMAGES = [
    *measure("unharmonized", "psnr", [20, 22]),
    *measure("unharmonized", "ssim", [0.8, 0.9]),
    *measure("unharmonized", "psnr", [18, 18], "flair"),
    *measure("unharmonized", "ssim", [0.7, 0.7], "flair"),
    *measure("nyul", "psnr", [24, 21]),
    *measure("nyul", "ssim", [0.9, 0.9]),
    *measure("nyul", "psnr", [17, 19], "flair"),
    *measure("nyul", "ssim", [0.6, 0.6], "flair"),
]
REGIONS = [
    *measure("unharmonized", "volume", [90, 110], region="putamen", sessions=2),
    *measure("unharmonized", "volume", [95, 105], region="caudate", sessions=2),
    *measure("nyul", "volume", [95, 105], region="putamen", sessions=2),
    *measure("nyul", "volume", [90, 110], region="caudate", sessions=2),
    *measure("nyul", "volume", [100, 100], region="thalamus", sessions=2),
    *measure("unharmonized", "volume", [99, 101], region="thalamus", sessions=2),
]


def test_images_have_psnr_ssim_and_harm():
    heads, lines = image_lines(IMAGES)
    assert heads == ["method", "t1w", "flair", "made worse ↓"]
    assert lines == [
        ["unharmonized", "21.00 / 0.850", "18.00 / 0.700", ""],
        ["nyul", "22.50 / 0.900", "18.00 / 0.600", "2 of 4 (50 %)"],
    ]


def test_volumes_are_compared_with_no_harmonization():
    heads, lines = region_lines(REGIONS)
    assert [head.split(" (")[0] for head in heads[1:]] == [
        *("CV of volume", "change", "better regions", "CV of Dice", "change", "better regions")
    ]
    # 14.14, 7.07 and 1.41 % before, 7.07, 14.14 and 0 % after.
    assert lines == [
        ["unharmonized", "7.54", "", "", "–", "–", "–"],
        ["nyul", "7.07", "-6 %", "2 of 3", "–", "–", "–"],
    ]


def test_gains_are_those_of_each_image():
    found = [(m.method, m.contrast, m.value) for m in gains(IMAGES)]
    assert found == [("nyul", "t1w", 4), ("nyul", "t1w", -1), ("nyul", "flair", -1), ("nyul", "flair", 1)]


def test_page_has_a_section_for_each_evaluation_and_a_figure(tmp_path: Path):
    for name, rows in (("images", IMAGES), ("regions", REGIONS)):
        write_rows(tmp_path / "one" / "measurements" / f"{name}.csv", Measurement, rows)
    write_rows(tmp_path / "two" / "measurements" / "images.csv", Measurement, IMAGES)
    for name in ("one", "two"):
        (tmp_path / name / "evaluation.json").write_text("{}")
    figure = tmp_path / "gains.png"
    text = main(["--evaluations", *(f"{name}={tmp_path / name}" for name in ("one", "two")), "--figure", str(figure)])
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == ["## one: images", "## one: volumes", "## two: images"]
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("treat", "--evaluations must be names and folders, such as .*, got treat"),
        ("treat=nowhere", "--evaluations treat must be the folder of an evaluation, but nowhere is none"),
    ],
)
def test_what_is_no_evaluation_is_refused(given: str, words: str):
    with pytest.raises(InputError, match=words):
        main(["--evaluations", given])
