"""What sections of a page are made of."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .markup import Markup, join, tag


def section(title: str, *content: object) -> Markup:
    """A heading and what belongs to it."""
    return tag("section", tag("h3", title), *content)


def explain(text: str) -> Markup:
    """How a section is to be read."""
    return tag("p", text, class_="explain")


def legend(colors: Mapping[str, str]) -> Markup:
    """Names of curves or bars by their colors."""
    entries = [
        tag("span", tag("i", class_="swatch", style=f"background:{color}"), name) for name, color in colors.items()
    ]
    return tag("p", entries, class_="legend")


def table(
    names: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = (), marked: Collection[int] = ()
) -> Markup:
    """A table; the columns `numbers` are numbers, and of the rows `marked` the last cell stands out."""
    kinds = ["number" if place in numbers else None for place in range(len(names))]
    head = [tag("th", name, class_=kind) for name, kind in zip(names, kinds, strict=True)]
    body = []
    for place, row in enumerate(rows):
        own = [*kinds[:-1], f"{kinds[-1] or ''} flag".strip()] if place in marked else kinds
        body.append(tag("tr", [tag("td", cell, class_=kind) for cell, kind in zip(row, own, strict=True)]))
    return tag("div", tag("table", tag("thead", tag("tr", head)), tag("tbody", body)), class_="table")


def tree(value: Any) -> Markup:
    """Nested settings as nested lists."""
    if isinstance(value, Mapping):
        items = [tag("li", tag("span", f"{key}: ", class_="faint"), tree(item)) for key, item in value.items()]
        return tag("ul", items) if items else Markup("none")
    if isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        return tag("ul", [tag("li", tree(item)) for item in value])
    return join(plain(value))


def plain(value: Any) -> str:
    """A setting in one line."""
    return ", ".join(map(plain, value)) if isinstance(value, list) else str(value)
