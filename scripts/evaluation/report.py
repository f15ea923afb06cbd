"""Tables and figures of an evaluation, written from the measurements that lie in the same folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .figures import draw_boxes, draw_pair_bars, draw_probe_bars, draw_region_bars
from .harm_table import HarmRow, harm_markdown, harm_table
from .image_table import ImageRow, image_markdown, image_table
from .measurements import read_measurements, read_pair_measurements, write_rows
from .pair_table import PairRow, pair_markdown, pair_table
from .probe_table import Probe, ProbeRow, probe_markdown, probe_table
from .region_table import RegionRow, region_markdown, region_table


@dataclass(frozen=True)
class EvaluationReport:
    """How measurements become tables and figures.

    `image_columns` maps measures to headings of the Markdown table, `image_figures` names those that get a box plot.
    `significance` is the level of a star, `ddof` that of the CV, `probe` the classifier of sites.
    """

    image_columns: Mapping[str, str]
    image_figures: Sequence[str]
    probe: Probe
    significance: float = 0.05
    ddof: int = 1
    dpi: int = 150

    def write(self, folder: Path, tables: Sequence[str], truth: str) -> None:
        """Read `folder`/measurements and write `folder`/tables and `folder`/figures.

        `truth` says in words what images were compared with.
        """
        for name in ("tables", "figures"):
            (folder / name).mkdir(exist_ok=True)
        writers: Mapping[str, Callable[[Path], None]] = {
            "images": partial(self._write_images, truth=truth),
            "regions": self._write_regions,
            "site_probe": self._write_site_probe,
            "pairs": self._write_pairs,
        }
        for table in tables:
            writers[table](folder)

    def _write_images(self, folder: Path, truth: str) -> None:
        measurements = read_measurements(folder / "measurements" / "images.csv")
        rows = image_table(measurements)
        write_rows(folder / "tables" / "images.csv", ImageRow, rows)
        _write_text(folder / "tables" / "images.md", image_markdown(rows, self.image_columns, self.significance, truth))
        harmed = harm_table(measurements)
        if harmed:
            write_rows(folder / "tables" / "harm.csv", HarmRow, harmed)
            _write_text(folder / "tables" / "harm.md", harm_markdown(harmed))
        for measure in self.image_figures:
            label = self.image_columns.get(measure, measure)
            draw_boxes(measurements, measure, label, folder / "figures" / f"images_{measure}.png", self.dpi)

    def _write_regions(self, folder: Path) -> None:
        rows = region_table(read_measurements(folder / "measurements" / "regions.csv"), self.ddof)
        write_rows(folder / "tables" / "regions.csv", RegionRow, rows)
        _write_text(folder / "tables" / "regions.md", region_markdown(rows, self.significance))
        draw_region_bars(rows, folder / "figures" / "regions_cv.png", self.dpi)

    def _write_site_probe(self, folder: Path) -> None:
        rows = probe_table(read_measurements(folder / "measurements" / "site_probe.csv"), self.probe)
        write_rows(folder / "tables" / "site_probe.csv", ProbeRow, rows)
        _write_text(folder / "tables" / "site_probe.md", probe_markdown(rows))
        draw_probe_bars(rows, folder / "figures" / "site_probe.png", self.dpi)

    def _write_pairs(self, folder: Path) -> None:
        rows = pair_table(read_pair_measurements(folder / "measurements" / "pairs.csv"))
        write_rows(folder / "tables" / "pairs.csv", PairRow, rows)
        _write_text(folder / "tables" / "pairs.md", pair_markdown(rows, self.significance))
        for measure, label in (("rmse", "RMSE of volumes (ml)"), ("dice", "Dice")):
            draw_pair_bars(rows, measure, label, folder / "figures" / f"pairs_{measure}.png", self.dpi)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
