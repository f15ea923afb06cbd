"""How many images are made worse."""

from scripts.evaluation.harm_table import HarmRow, harm_markdown, harm_table
from scripts.evaluation.measurements import Measurement


def measure(method: str, contrast: str, values: list[float], measure: str = "psnr") -> list[Measurement]:
    return [
        Measurement(method, f"sub-{number:02d}", "ses-02", 1, contrast, "site", "scanner", measure, "", value)
        for number, value in enumerate(values)
    ]


MEASUREMENTS = [
    *measure("unharmonized", "t1w", [20, 21, 22]),
    *measure("unharmonized", "flair", [18, 19]),
    *measure("rescan", "t1w", [1, 1, 1]),
    *measure("nyul", "t1w", [19, 22, 21]),
    *measure("nyul", "flair", [18, 19]),
    *measure("unharmonized", "t1w", [1, 2, 3], "wasserstein"),
    *measure("nyul", "t1w", [0, 0, 0], "wasserstein"),
]


def test_counts_images_below_their_own_source() -> None:
    assert harm_table(reversed(MEASUREMENTS)) == [
        HarmRow("nyul", "flair", "psnr", 2, 0),
        HarmRow("nyul", "t1w", "psnr", 3, 2),
    ]


def test_markdown_has_contrasts_and_their_sum() -> None:
    text = harm_markdown(harm_table(MEASUREMENTS))
    assert "| method | t1w: PSNR | flair: PSNR | all: PSNR |" in text
    assert "| nyul | 2 of 3 | 0 of 2 | 2 of 5 |" in text


def test_one_contrast_is_said_once() -> None:
    assert "| nyul | 2 of 3 |\n" in harm_markdown(harm_table(m for m in MEASUREMENTS if m.contrast == "t1w"))
