"""All that the report knows of one target of one job."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .comparison import Comparison
from .markup import Markup, tag
from .verdicts import Limits


@dataclass(frozen=True)
class Look:
    """How things are drawn: the change that has the lightest color, as a share of white, and bins of histograms."""

    difference_range: float = 0.25
    bins: int = 96


@dataclass(frozen=True, eq=False)
class Part:
    """`sidecar` is that of the image; `codes` have appearance and artifacts before, after and of the target, if known.

    `values` has the measures, `usual` the usual artifact scores of the sources, if known, `verdicts` a sentence on each
    source's, `regions` milliliters before and after.
    """

    comparison: Comparison
    sidecar: Mapping[str, Any]
    values: Mapping[str, float]
    usual: Mapping[str, float]
    verdicts: Mapping[str, str]
    concerns: Sequence[str]
    codes: Mapping[str, Mapping[str, list[float]]]
    regions: Mapping[str, tuple[float, float]] | None
    thumbnail: np.ndarray
    limits: Limits
    look: Look

    @property
    def contrast(self) -> str:
        """That of the target."""
        return self.comparison.contrast

    @property
    def random(self) -> bool:
        """Whether the weights are random, so that nothing means anything."""
        return bool(self.sidecar["Method"]["weights"].get("random"))


@dataclass(frozen=True)
class Figures:
    """Collects the figures of a page, which are also written beside it; `address` gives the relative path of each."""

    address: Callable[[str, str], str]
    drawn: dict[tuple[str, str], str] = field(default_factory=dict)

    def show(self, name: str, contrast: str, picture: Markup | None, caption: str = "") -> Markup:
        """The figure with its caption and a link to its file; nothing where there is no picture."""
        if picture is None:
            return Markup()
        self.drawn[name, contrast] = f'<?xml version="1.0" encoding="UTF-8"?>\n{picture}\n'
        link = tag("a", "SVG", href=self.address(name, contrast), class_="screen")
        return tag("figure", picture, tag("figcaption", caption, " ", link))
