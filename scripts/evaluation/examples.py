"""A picture of one visit: acquired, harmonized by each method, and the reference it should look like."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..images.volumes import read_volume

Scaling = Callable[[np.ndarray, np.ndarray], np.ndarray]


def draw_examples(rows: Mapping[str, Mapping[str, Path]], scaling: Scaling, path: Path, dpi: int) -> None:
    """One row per contrast, one column per version of the image (a file); middle axial slices in one grey scale.

    Each image is scaled as for the metrics, within its own foreground, so that what differs is what they measure.
    """
    columns = list(next(iter(rows.values())))
    figure = Figure(figsize=(1.7 * len(columns), 2.05 * len(rows) + 0.3), layout="constrained", facecolor="black")
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (contrast, versions) in zip(panels, rows.items(), strict=True):
        for panel, (name, file) in zip(line, versions.items(), strict=True):
            panel.imshow(_slice(file, scaling), cmap="gray", vmin=0, vmax=1.3, origin="lower", interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
            if panel in panels[0]:
                panel.set_title(name.replace("_", " "), color="white", fontsize=10)
        line[0].set_ylabel(contrast, color="white", fontsize=10)
    figure.savefig(path, dpi=dpi)


def _slice(file: Path, scaling: Scaling) -> np.ndarray:
    """The foreground's middle axial slice, cropped to the foreground; seen from below, as radiologists do."""
    voxels, _ = read_volume(file)
    scaled = scaling(voxels, voxels > 0)
    x, y, z = (np.flatnonzero((voxels > 0).any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return np.asarray(scaled[x[0] : x[-1] + 1, y[0] : y[-1] + 1, (z[0] + z[-1]) // 2].T)
