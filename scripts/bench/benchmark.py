"""Prints one page of tables of several evaluations, and draws what each method gains image by image.

    python -m scripts.bench.benchmark --figure output/benchmark.png \\
        --evaluations treat=output/treat/evaluation fthp=output/fthp/evaluation

An evaluation is the name of its cohort and the folder that `configs/evaluate.json` wrote. Of images the tables have
PSNR and SSIM to the truth that the evaluation chose, and the share that is made worse; of regions the CV of volume over
scanners and that of Dice, means over regions, each also beside no harmonization.
"""

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..base.errors import InputError
from ..base.markdown_table import markdown_table, mean_and_sd
from ..evaluation.figures import draw_boxes
from ..evaluation.harm_table import harm_table
from ..evaluation.image_table import image_table
from ..evaluation.measurements import RESCAN, UNHARMONIZED, Measurement, read_measurements
from ..evaluation.region_table import RegionRow, region_table

_NOTHING = "–"


def image_lines(measurements: Sequence[Measurement]) -> tuple[list[str], list[list[str]]]:
    """Heads, and a line for each method: PSNR and SSIM of each contrast, and images whose PSNR fell."""
    rows = {(row.method, row.contrast, row.measure): row.mean for row in image_table(measurements)}
    harmed = [row for row in harm_table(measurements) if row.measure == "psnr"]
    contrasts = list(dict.fromkeys(contrast for _, contrast, _ in rows))
    lines = []
    for method in dict.fromkeys(method for method, _, _ in rows):
        cells = []
        for contrast in contrasts:
            found = [rows.get((method, contrast, measure), math.nan) for measure in ("psnr", "ssim")]
            cells.append(_NOTHING if math.isnan(found[0]) else f"{found[0]:.2f} / {found[1]:.3f}")
        mine = [row for row in harmed if row.method == method]
        worse, images = sum(row.worse for row in mine), sum(row.n for row in mine)
        lines.append([method, *cells, f"{worse} of {images} ({100 * worse / images:.0f} %)" if mine else ""])
    return ["method", *contrasts, "made worse ↓"], lines


def region_lines(measurements: Iterable[Measurement], ddof: int = 1) -> tuple[list[str], list[list[str]]]:
    """Heads, and a line for each method: both CV in percent, and how they compare with no harmonization."""
    rows = region_table(measurements, ddof)
    by_method: dict[str, list[RegionRow]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    before = by_method[UNHARMONIZED]
    lines = []
    for method, mine in by_method.items():
        cells = [method]
        for name in ("volume_cv_mean", "dice_cv_mean"):
            values, first = ([getattr(row, name) for row in each] for each in (mine, before))
            cells += _compared(values, first, method in (UNHARMONIZED, RESCAN))
        lines.append(cells)
    heads = ["CV of volume (%) ↓", "change", "better regions", "CV of Dice (%) ↓", "change", "better regions"]
    return ["method", *heads], lines


def _compared(values: Sequence[float], before: Sequence[float], plain: bool) -> list[str]:
    mean, first = mean_and_sd(values)[0], mean_and_sd(before)[0]
    if math.isnan(mean):
        return [_NOTHING] * 3
    if plain:
        return [f"{100 * mean:.2f}", "", ""]
    better = sum(value < old for value, old in zip(values, before, strict=True))
    return [f"{100 * mean:.2f}", f"{100 * (mean / first - 1):+.0f} %", f"{better} of {len(values)}"]


def gains(measurements: Sequence[Measurement], measure: str = "psnr") -> list[Measurement]:
    """By how much each harmonized image is nearer to its truth than the image before."""
    before = {
        (m.contrast, m.subject, m.session): m.value
        for m in measurements
        if m.method == UNHARMONIZED and m.measure == measure
    }
    return [
        replace(m, value=m.value - before[m.contrast, m.subject, m.session])
        for m in measurements
        if m.measure == measure and m.method not in (UNHARMONIZED, RESCAN)
    ]


def page(evaluations: Mapping[str, Path], figure: Path | None = None) -> str:
    """Tables of all evaluations, and the figure of all images together."""
    sections, gained = [], []
    for name, folder in evaluations.items():
        if not (folder / "evaluation.json").is_file():
            raise InputError(f"--evaluations {name} must be the folder of an evaluation, but {folder} is none")
        images, regions = folder / "measurements" / "images.csv", folder / "measurements" / "regions.csv"
        if images.is_file():
            found = read_measurements(images)
            gained += gains(found)
            sections.append(f"## {name}: images\n\n" + markdown_table(*image_lines(found)))
        if regions.is_file():
            sections.append(f"## {name}: volumes\n\n" + markdown_table(*region_lines(read_measurements(regions))))
    if figure is not None and gained:
        draw_boxes(gained, "psnr", "PSNR gained (dB)", figure, dpi=150)
    return "\n".join(sections)


def main(words: Sequence[str] | None = None) -> str:
    """The page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", nargs="+", required=True)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args(words)
    folders = {}
    for each in given.evaluations:
        name, separator, folder = each.partition("=")
        if not separator or not folder:
            raise InputError(
                f"--evaluations must be names and folders, such as treat=output/treat/evaluation, got {each}"
            )
        folders[name] = Path(folder)
    return page(folders, given.figure)


if __name__ == "__main__":
    print(main())
