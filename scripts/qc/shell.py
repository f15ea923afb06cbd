"""What every page of the report has around its content: styles and scripts, all inside the page."""

from functools import lru_cache
from pathlib import Path

from .markup import Markup, tag

_ASSETS = Path(__file__).with_name("assets")
# Nothing is fetched from anywhere but the page and the files beside it.
_POLICY = (
    "default-src 'none'; img-src data: blob: file: 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' blob: 'wasm-unsafe-eval'; connect-src data: blob:; worker-src blob:"
)


def document(title: str, content: list[Markup], wide: bool = False, viewer: bool = False) -> str:
    """A whole page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        tag("style", Markup(_asset("page.css"))),
    )
    scripts = [_asset("page.js"), *([_asset("viewer.js")] if viewer else [])]
    body = tag(
        "body",
        tag("main", *content, class_="wide" if wide else None),
        # Each in a scope of its own.
        [tag("script", Markup(f"{{{script}}}")) for script in scripts],
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def theme_button() -> Markup:
    """Switches between light and dark."""
    return tag("button", "Light / dark", id="theme", type="button", class_="screen")


@lru_cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
