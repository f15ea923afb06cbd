"""The page of one subject."""

from collections.abc import Sequence

from .figures import LABELS
from .markup import Markup, join, tag
from .measures import MEASURES
from .part import Figures, Part
from .sections import SECTIONS
from .shell import document, theme_button
from .viewer import Embedded

# Numbers that are worth the first screen, where they are known.
_HEADLINES = ("change", "edges", "histogram_before", "histogram_after", "imputed", "volumes")
_VIEWS = {"3": "three planes", "0": "axial", "1": "coronal", "2": "sagittal", "4": "3D"}


def subject_page(
    name: str, parts: Sequence[Part], sections: Sequence[str], figures: Figures, viewer: Embedded | None, index: str
) -> str:
    """The page of the job `name`; `index` is the address of the cohort's page."""
    version = parts[0].sidecar["Method"]["software"]["brain_mri_harmonization"]
    several = len(parts) > 1
    content = [
        tag("header", tag("h1", name), theme_button()),
        tag("p", "Harmonization report", class_="faint"),
        _navigation(parts, index) if several else tag("nav", tag("a", "All subjects", href=index), class_="screen"),
        _random_note(parts),
    ]
    for place, part in enumerate(parts):
        content.append(tag("h2", f"Harmonized {LABELS[part.contrast]}", id=part.contrast))
        content += [_concerns(part), _headlines(part)]
        if place == 0:
            content.append(_viewer(viewer))
        content += [SECTIONS[section](part, figures) for section in sections]
    return document(
        f"{name}: harmonization",
        [item for item in [*content, _footer(version)] if item is not None],
        viewer=viewer is not None,
    )


def _navigation(parts: Sequence[Part], index: str) -> Markup:
    links = [tag("a", LABELS[part.contrast], href=f"#{part.contrast}") for part in parts]
    return tag("nav", tag("a", "All subjects", href=index), links, class_="screen")


def _random_note(parts: Sequence[Part]) -> Markup | None:
    if not any(part.random for part in parts):
        return None
    return tag(
        "div", tag("strong", "Meaningless: random weights."), " This run only tries the bundle out.", class_="note"
    )


def _concerns(part: Part) -> Markup | None:
    if part.random:
        return None
    if not part.concerns:
        return tag(
            "div",
            "Nothing stands out in the numbers below. They cannot replace a look at the images.",
            class_="note calm",
        )
    items = [tag("li", concern) for concern in part.concerns]
    return tag("div", tag("strong", "Look at this first"), tag("ul", items), class_="note")


def _headlines(part: Part) -> Markup:
    shown = [key for key in _HEADLINES if key in part.values]
    facts = [
        tag(
            "div",
            tag("dt", MEASURES[key].label),
            tag("dd", MEASURES[key].text(part.values[key])),
            title=MEASURES[key].meaning,
        )
        for key in shown
    ]
    return tag("dl", facts, class_="facts") if facts else Markup()


def _viewer(viewer: Embedded | None) -> Markup:
    """Two linked panes, which start when asked to."""
    title = tag("h3", "Viewer")
    if viewer is None:
        text = "Left out: this page would become larger than `report#viewer_megabytes` allows."
        return tag("section", title, tag("p", text, class_="explain"), class_="screen")
    labels = list(viewer.volumes)
    panes = [_pane(side, labels, chosen) for side, chosen in zip(("left", "right"), _first_choice(labels), strict=True)]
    views = [tag("option", text, value=value) for value, text in _VIEWS.items()]
    files = [
        tag("script", Markup(data), type="text/plain", class_="volume", data_label=label)
        for label, data in viewer.volumes.items()
    ]
    size = f"{viewer.size / 1e6:.1f} MB of this page, {viewer.millimeters} mm voxels, 8 bits"
    return tag(
        "section",
        title,
        tag("p", f"Linked panes: click or scroll in one, and both move. {size}; nothing is fetched.", class_="explain"),
        tag(
            "p",
            tag("button", "Start the viewer", type="button", class_="start"),
            " ",
            tag("span", class_="status faint"),
        ),
        tag(
            "div",
            tag("div", tag("label", "View ", tag("select", views, class_="view")), class_="controls"),
            tag("div", panes, class_="panes"),
            class_="stage",
            hidden="",
        ),
        files,
        tag("script", Markup(viewer.module), type="text/plain", id="niivue"),
        id="viewer",
        class_="screen",
    )


def _pane(side: str, labels: Sequence[str], chosen: str) -> Markup:
    options = [tag("option", label, selected="" if label == chosen else None) for label in labels]
    return tag(
        "div",
        tag("div", tag("label", f"{side} ", tag("select", options)), class_="controls"),
        tag("div", tag("canvas", tabindex=0, aria_label=f"{side} pane"), class_="canvas"),
        tag("output"),
        class_="pane",
    )


def _first_choice(labels: Sequence[str]) -> tuple[str, str]:
    """What the panes show first: the source of the contrast that was harmonized, else any, and the harmonized image."""
    after = next(label for label in labels if label.startswith("harmonized"))
    same = after.replace("harmonized", "source")
    return (same if same in labels else labels[0]), after


def _footer(version: str) -> Markup:
    text = f"brain_mri_harmonization {version}. For research; no medical device."
    return tag("footer", join(text))
