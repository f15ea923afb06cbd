"""Elements of HTML and SVG, in which whatever comes from outside is escaped."""

from html import escape


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def tag(name: str, /, *content: object, **attributes: object) -> Markup:
    """An element; `class_` stands for class, `stroke_width` for stroke-width; an attribute that is None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not content and name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*content)}</{name}>")


def join(*content: object) -> Markup:
    """Content one after the other; of a list, its items."""
    parts = []
    for item in content:
        if isinstance(item, Markup):
            parts.append(str(item))
        elif isinstance(item, list | tuple):
            parts.append(str(join(*item)))
        elif item is not None:
            parts.append(escape(_text(item)))
    return Markup("".join(parts))


_VOID = {"img", "meta", "br", "hr", "input"}


def _text(value: object) -> str:
    """Numbers without digits that nobody sees."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
