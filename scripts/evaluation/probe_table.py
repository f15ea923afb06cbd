"""Table of the site probe: how well the site can be told from the images, for every method and contrast."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.markdown_table import format_mean, markdown_table
from ..metrics.site_probe import ProbeResult
from .measurements import FEATURE, Measurement

Probe = Callable[[np.ndarray, Sequence[str], Sequence[str]], ProbeResult]


@dataclass(frozen=True)
class ProbeRow:
    """Accuracy of a probe retrained on one method's images of one contrast, beside its chance level."""

    method: str
    contrast: str
    accuracy: float
    accuracy_chance: float
    balanced_accuracy: float
    balanced_chance: float
    n_images: int
    n_sites: int
    n_subjects: int


def probe_table(measurements: Iterable[Measurement], probe: Probe) -> list[ProbeRow]:
    """Train and test `probe` per contrast and method, on the features of the images and the names of their sites."""
    images: dict[tuple[str, str], dict[tuple[str, str, str], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for m in measurements:
        if m.measure.startswith(FEATURE):
            images[m.contrast, m.method][m.subject, m.session, m.site][m.measure] = m.value
    rows = []
    for (contrast, method), described in images.items():
        subjects, _, sites = zip(*described, strict=True)
        features = np.array([list(numbers.values()) for numbers in described.values()])
        rows.append(ProbeRow(method, contrast, *probe(features, sites, subjects)))
    return rows


def probe_markdown(rows: Sequence[ProbeRow]) -> str:
    """One table; lower accuracies, nearer to chance, are better."""
    heads = [
        "method",
        "contrast",
        "accuracy ↓",
        "chance",
        "balanced accuracy ↓",
        "chance",
        "images",
        "sites",
        "subjects",
    ]
    lines = [
        [
            row.method,
            row.contrast,
            *(format_mean(v) for v in (row.accuracy, row.accuracy_chance, row.balanced_accuracy, row.balanced_chance)),
            *(str(count) for count in (row.n_images, row.n_sites, row.n_subjects)),
        ]
        for row in rows
    ]
    note = "Site named from an image by a probe retrained on each method's images and tested on unseen subjects.\n"
    return markdown_table(heads, lines) + "\n" + note
