"""Pages from templates, and the page of one subject.

The templates in `assets` have all words and markup, and call for the figures that they show. What they are given is
escaped, unless it is `Markup`.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..base.contrasts import BIDS_SUFFIX
from . import charts, figures, slices
from .image_report import ImageReport
from .measures import MEASURES, in_percent
from .viewer import Embedded

SECTIONS = (
    "overview",
    "slices",
    "histogram",
    "attention",
    "artifacts",
    "imputed",
    "uncertainty",
    "anatomy",
    "registration",
    "parameters",
)
# Numbers that are worth the first screen, where they are known.
_HEADLINES = ("change", "edges", "histogram_before", "histogram_after", "outside", "imputed", "volumes")
_ASSETS = Path(__file__).with_name("assets")


@dataclass(frozen=True)
class Figures:
    """Draws the figures of a page, which are also written beside it; `address` gives the relative path of each."""

    address: Callable[[str, str], str]
    drawn: dict[tuple[str, str], str] = field(default_factory=dict)

    def show(self, name: str, image: ImageReport, caption: str = "") -> Markup:
        """The figure with its caption and a link to its file; nothing where there is nothing to show."""
        picture = figures.FIGURES[name](image)
        if picture is None:
            return Markup()
        svg = draw(picture)
        self.drawn[name, image.contrast] = f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n'
        return Markup(render("figure.html", picture=svg, caption=caption, file=self.address(name, image.contrast)))


def subject_page(
    name: str,
    images: Sequence[ImageReport],
    sections: Sequence[str],
    shown: Figures,
    viewer: Embedded | None,
    index: str,
) -> str:
    """The page of the job `name`; `index` is the address of the cohort's page."""
    return render(
        "subject.html",
        name=name,
        images=images,
        sections=sections,
        show=shown.show,
        viewer=viewer,
        index=index,
        headlines=_HEADLINES,
    )


def render(template: str, **given: Any) -> str:
    """What a template makes of what it is given."""
    return _environment().get_template(template).render(given)


def draw(picture: Any) -> Markup:
    """A figure as SVG, by the macro of its kind."""
    drawn: Markup = getattr(_environment().get_template("drawing.svg").module, picture.kind)(picture)
    return drawn


@lru_cache
def _environment() -> Environment:
    """Templates in which everything is escaped and nothing may be missing."""
    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    scripts = {name: Markup((_ASSETS / name).read_text(encoding="utf-8")) for name in ("page.js", "viewer.js")}
    environment.filters |= {
        "draw": draw,
        "percent": in_percent,
        "place": lambda value: f"{round(value, 1):g}",
        "png": lambda pixels: base64.b64encode(slices.encode_png(pixels)).decode(),
        "ticks": charts.ticks,
    }
    environment.globals |= {
        "charts": charts,
        "figures": figures,
        "labels": BIDS_SUFFIX,
        "measures": MEASURES,
        "scripts": scripts,
        "script_hashes": {name: _hash(script) for name, script in scripts.items()},
        "ramps": {"difference": _ramp(slices.DIVERGING), "map": _ramp(slices.SEQUENTIAL)},
    }
    return environment


def _hash(script: str) -> str:
    """By which a page's Content-Security-Policy knows a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _ramp(colors: Sequence[Sequence[int]]) -> str:
    """A range of colors as CSS has it."""
    return f"linear-gradient(90deg, {', '.join('#' + bytes(color).hex() for color in colors)})"
