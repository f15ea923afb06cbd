"""A picture of one visit: acquired, harmonized by each method, and the reference, with what differs from that."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..images.volumes import read_volume

Scaling = Callable[[np.ndarray, np.ndarray], np.ndarray]


# Up to this the colours of a difference go, in the units of the metrics.
_LARGEST_DIFFERENCE = 0.4


def draw_examples(rows: Mapping[str, Mapping[str, Path]], scaling: Scaling, path: Path, dpi: int) -> None:
    """Two rows per contrast, one column per version of the image (a file), the reference last.

    The first row has the reference's middle axial slice in one grey scale, the second how far each image is from the
    reference. Each image is scaled as for the metrics, within its own foreground, so that what differs is what they
    measure.
    """
    columns = list(next(iter(rows.values())))
    size = (1.7 * len(columns), 4.1 * len(rows) + 0.3)
    figure = Figure(figsize=size, layout="constrained", facecolor="black")
    panels = figure.subplots(2 * len(rows), len(columns), squeeze=False)
    for panel, name in zip(panels[0], columns, strict=True):
        panel.set_title(name.replace("_", " "), color="white", fontsize=10)
    for number, (contrast, versions) in enumerate(rows.items()):
        slices = _slices(versions, scaling)
        reference = slices[columns[-1]]
        images, differences = panels[2 * number], panels[2 * number + 1]
        for place, image in enumerate(slices.values()):
            _show(images[place], image, "gray", 1.3)
            _show(differences[place], np.abs(image - reference), "inferno", _LARGEST_DIFFERENCE)
        images[0].set_ylabel(contrast, color="white", fontsize=10)
        differences[0].set_ylabel("difference", color="white", fontsize=10)
    figure.savefig(path, dpi=dpi)


def _show(panel: Axes, image: np.ndarray, colours: str, largest: float) -> None:
    panel.imshow(image, cmap=colours, vmin=0, vmax=largest, origin="lower", interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])


def _slices(versions: Mapping[str, Path], scaling: Scaling) -> dict[str, np.ndarray]:
    """The middle axial slice of the last version's foreground, cropped to it; seen from below, as radiologists do."""
    volumes = {name: read_volume(file)[0] for name, file in versions.items()}
    shown = list(volumes.values())[-1] > 0
    x, y, z = (np.flatnonzero(shown.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    place = (slice(x[0], x[-1] + 1), slice(y[0], y[-1] + 1), (z[0] + z[-1]) // 2)
    return {name: np.asarray(scaling(voxels, voxels > 0)[place].T) for name, voxels in volumes.items()}
