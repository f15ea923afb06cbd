"""The sections of a subject's page, each a function of one target's `Part`; what has nothing to show is left out."""

from collections.abc import Callable, Mapping

import numpy as np

from . import figures
from .charts import AFTER, BEFORE, TARGET, Line, line_chart
from .figures import BRAIN_COLOR, LABELS, WHITE_MATTER_COLOR
from .findings import anatomy, artifacts, attention
from .markup import Markup, tag
from .part import Figures, Part
from .provenance import parameters
from .section import explain, legend, section, table

Section = Callable[[Part, Figures], Markup | None]


def overview(part: Part, shown: Figures) -> Markup:
    """Every image in three planes."""
    look = part.look
    caption = (
        "Middle slices in radiological convention (R: the patient's right). One window for all: white is the 99.5th"
        " percentile in the middle of the harmonized image; sources are multiplied by one factor each, since MR"
        f" intensities have no unit. Difference: harmonized minus source, blue darker and orange brighter,"
        f" ±{look.difference_range:.0%} of white."
    )
    picture = figures.overview(part.comparison, look.difference_range)
    missing = None
    if part.comparison.before is None:
        missing = explain(
            f"No {LABELS[part.contrast]} source was given: this image is made up from other contrasts,"
            " and there is no difference to show."
        )
    return section("Before and after", missing, shown.show("overview", part.contrast, picture, caption))


def levels(part: Part, shown: Figures) -> Markup:
    """Axial slices."""
    picture = figures.levels(part.comparison, part.look.difference_range)
    caption = "Axial slices from bottom to top, z in MNI152 millimeters; windows and colors as above."
    return section("Slices", shown.show("slices", part.contrast, picture, caption))


def histogram(part: Part, shown: Figures) -> Markup:
    """Intensities before, after and of the target."""
    comparison = part.comparison
    curves = [
        ("source", BEFORE, comparison.before),
        ("harmonized", AFTER, comparison.harmonized),
        ("target", TARGET, comparison.target),
    ]
    edges = np.linspace(0, 1.2, part.look.bins + 1)
    lines = []
    for name, color, volume in curves:
        if volume is not None and (values := volume[volume > 0]).size:
            share = np.histogram(values, edges)[0] / values.size * 100
            lines.append(Line(name, color, (edges[1:] + edges[:-1]) / 2, share))
    if not lines:
        return Markup()
    picture = line_chart(lines, "intensity, 1 = white", "% of voxels", f"{part.contrast}: histograms")
    caption = "Foreground voxels."
    if comparison.target is not None:
        caption += (
            " The harmonized curve should be nearer to the target's than the source's is; people differ, so they need"
            " not coincide."
        )
    colors = {line.name: line.color for line in lines}
    return section("Intensities", legend(colors), shown.show("histogram", part.contrast, picture, caption))


def imputed(part: Part, shown: Figures) -> Markup | None:
    """What no source of the reference's contrast shows."""
    picture = figures.imputed(part.comparison)
    share = part.sidecar["Found"].get("imputed_share")
    if share is None:
        return None
    if picture is None:
        return section("Imputed region", tag("p", "None: the reference source shows all of the image."))
    caption = "Each plane where most of it is imputed; the line runs around it."
    return section(
        "Imputed region",
        explain(
            f"{share:.1%} of the image lies where the reference source, {LABELS[part.sidecar['Reference']]}, shows"
            " nothing. It was made up from the other sources: plausible, but not acquired."
        ),
        shown.show("imputed", part.contrast, picture, caption),
    )


def uncertainty(part: Part, shown: Figures) -> Markup | None:
    """Where the planes disagree."""
    picture = figures.uncertainty(part.comparison)
    if picture is None:
        return None
    caption = f"Black none, light yellow {figures.uncertainty_top(part.comparison):.1%} of white or more."
    return section(
        "Uncertainty",
        explain(
            "Standard deviation over the three planes, and over draws of the anatomy where those were asked for. It"
            " shows where the method contradicts itself; what all planes get wrong alike it does not show."
        ),
        shown.show("uncertainty", part.contrast, picture, caption),
    )


def registration(part: Part, shown: Figures) -> Markup | None:
    """The sources that were registered, under outlines of the template."""
    found = part.sidecar["Found"].get("registration")
    if not found:
        return None
    # Read where registration was, so that what it needs is there.
    from ..images.mni152 import load_template

    template = load_template()
    picture = figures.registration(part.comparison, template.brain, template.white)
    rows = [
        [LABELS[name], LABELS.get(what["to"], what["to"]), f"{what['score']:.3f}", f"{what['overlap']:.0%}"]
        for name, what in found.items()
    ]
    return section(
        "Registration",
        explain(
            "Sources as they were brought to MNI152 space by turning and shifting, under outlines of the template. Its"
            " midline, ventricles and lower edge must fit; sizes and folds of people differ."
        ),
        legend({"brain of the template": BRAIN_COLOR, "its white matter": WHITE_MATTER_COLOR}),
        shown.show("registration", part.contrast, picture, "Middle slices."),
        table(["source", "registered to", "mutual information", "brain in view"], rows, numbers={2, 3}),
    )


SECTIONS: Mapping[str, Section] = {
    "overview": overview,
    "slices": levels,
    "histogram": histogram,
    "attention": attention,
    "artifacts": artifacts,
    "imputed": imputed,
    "uncertainty": uncertainty,
    "anatomy": anatomy,
    "registration": registration,
    "parameters": parameters,
}
