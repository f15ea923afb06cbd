"""Sections about what the network and the segmentation found: attention, artifacts, anatomy."""

from collections.abc import Mapping

import numpy as np

from ..images.grid import GRID_AFFINE
from . import figures
from .charts import AFTER, PALETTE, TARGET, Bar, Line, bar_chart, line_chart
from .figures import LABELS
from .markup import Markup, tag
from .part import Figures, Part
from .section import explain, legend, section, table


def attention(part: Part, shown: Figures) -> Markup | None:
    """How much each source contributed, overall, by slice and by place."""
    found, contrast = part.sidecar["Found"].get("sources"), part.contrast
    if not found:
        return None
    colors = dict(zip(part.comparison.sources, PALETTE, strict=False))
    shares = {name: source["attention"] for name, source in found.items()}
    bars = [Bar(LABELS[name], share, f"{share:.0%}", colors[name]) for name, share in shares.items()]
    overall, profile = bar_chart(bars, f"{contrast}: attention", most=1.0), _attention_profile(part, colors)
    maps = figures.attention(part.comparison)
    return section(
        "Where it looked",
        explain(
            "How much of the harmonized image comes from each source. A source with artifacts, or one that shows"
            " nothing at a place, should count less there."
        ),
        legend({LABELS[name]: color for name, color in colors.items()}),
        tag(
            "div",
            shown.show("attention", contrast, overall, "Mean share over the image."),
            shown.show("attentionprofile", contrast, profile, "By axial slice, from bottom to top."),
            class_="pair",
        ),
        shown.show("attentionmaps", contrast, maps, "Share by place: black none, light yellow all."),
    )


def artifacts(part: Part, shown: Figures) -> Markup | None:
    """The artifact scores, in words."""
    found = part.sidecar["Found"].get("sources")
    if not found or part.random:
        return None
    scores = {name: source["severity"] for name, source in found.items()}
    bars = [Bar(LABELS[name], score, f"{score:.2f}", AFTER) for name, score in scores.items()]
    if "target" in part.codes:
        score = float(np.linalg.norm(part.codes["target"]["artifacts"]))
        bars.append(Bar("target", score, f"{score:.2f}", TARGET))
    usual = {name: f"{part.usual[name]:.2f}" if part.usual else "not known" for name in scores}
    rows = [[LABELS[name], f"{score:.2f}", usual[name], part.verdicts[name]] for name, score in scores.items()]
    somewhat, clearly = part.limits.severity
    measured_from = (
        "what is usual for the contrast: the mean of the named targets, simulated scans without artifacts."
        if part.usual
        else "the lowest score of the sources and the target, since these weights have no named targets."
    )
    return section(
        "Signs of artifacts",
        explain(
            "The score says how far an image lies along what the network learned from simulated noise, ghosting,"
            " motion, bias fields and thick slices. It is only relative: scores by the same weights can be compared"
            " with each other within a contrast; T1w images have higher ones than others. It is no judgement of"
            " diagnostic quality."
        ),
        shown.show("artifacts", part.contrast, bar_chart(bars, f"{part.contrast}: artifact scores")),
        table(["source", "score", "usual", "verdict"], rows, numbers={1, 2}),
        explain(f"“Somewhat” from {somewhat:g}, “clearly” from {clearly:g} above {measured_from}"),
    )


def anatomy(part: Part, shown: Figures) -> Markup:
    """Edges, and volumes of regions where those were asked for."""
    kept = part.values.get("edges")
    edges = None
    if kept is not None:
        text = f"Edges of source and harmonized image agree to {kept:.2f}: the correlation of their gradient strengths."
        edges = tag("p", text)
    if part.regions:
        return section("Anatomy check", edges, *_volumes(part))
    reason = (
        "The images could not be segmented."
        if part.regions is not None
        else (
            "With --qc_volumes true, volumes of brain regions are compared as well (needs requirements-evaluate.txt)."
        )
    )
    return section("Anatomy check", edges, explain(reason))


def _volumes(part: Part) -> list[Markup]:
    """The regions before and after."""
    rows, marked = [], set()
    for place, (name, (before, after)) in enumerate((part.regions or {}).items()):
        change = after / before - 1 if before > 0 else float("nan")
        rows.append([name.replace("_", " "), f"{before:.1f}", f"{after:.1f}", f"{change:+.1%}"])
        if abs(change) > part.limits.volumes:
            marked.add(place)
    text = (
        "Volumes by the bundle's own tissue segmentation, which adapts to each image's contrast: some percent of change"
        f" are its own. Changes above {part.limits.volumes:.0%} are marked."
    )
    return [
        explain(text),
        table(["region", "before, ml", "after, ml", "change"], rows, numbers={1, 2, 3}, marked=marked),
    ]


def _attention_profile(part: Part, colors: Mapping[str, str]) -> Markup | None:
    """The share of each source in every axial slice."""
    features = part.comparison.features
    if features is None:
        return None
    axial = np.array([orientation == "axial" for orientation in features.orientation])
    channel, share = features.channel.numpy(), features.share.numpy()
    height = features.index.numpy() * GRID_AFFINE[2, 2] + GRID_AFFINE[2, 3]
    lines = []
    for name, color in colors.items():
        rows = axial & (channel == list(LABELS).index(name))
        lines.append(Line(LABELS[name], color, height[rows], share[rows]))
    return line_chart(lines, "z, mm", "share", f"{part.contrast}: attention by slice", y_range=(0.0, 1.0))
