"""Writes docs/configuration.md, what the options of every config mean: `python -m scripts.distribution.configuration`.

Names and defaults are those of the configs; what a part is, its class says; what an option means is told by
docs/configuration_words.json under its name or, where a config means something else by it, under `name.config`. What
its values must be, beyond true or false where the default is one of them, a config itself declares: `option_kinds`.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base.markdown_table import markdown_table
from ..base.overrides import KINDS
from ..base.text_files import write_text

BUNDLE = Path(__file__).parents[2]
WORDS = BUNDLE / "docs" / "configuration_words.json"
PAGE = BUNDLE / "docs" / "configuration.md"
# How MONAI runs a config.
PLUMBING = ("imports", "initialize", "finalize", "run")
LONGEST_DEFAULT = 70


def page() -> str:
    """The text of docs/configuration.md."""
    words = _read(WORDS)
    head = (
        "# Configuration\n\n"
        "Written by `python -m scripts.distribution.configuration`: names and defaults are those of the configs. An"
        " option is overridden on the command line (`--seed 7`), and what is inside a part by its path"
        " (`--network_def#target_slices 10`). A name that no config has is refused."
    )
    sections = [_section(name, sentence, words["options"]) for name, sentence in words["configs"].items()]
    return "\n\n".join([head, *sections]) + "\n"


def undescribed() -> Iterator[str]:
    """Options that the words say nothing of, as `name.config`, and configs."""
    words = _read(WORDS)
    for path in sorted((BUNDLE / "configs").glob("*.json")):
        if path.stem == "metadata":
            continue
        if path.stem not in words["configs"]:
            yield path.stem
        for key, value in _read(path).items():
            if _is_plain(value) and "#" not in key and not {key, f"{key}.{path.stem}"} & words["options"].keys():
                yield f"{key}.{path.stem}"


def _section(name: str, sentence: str, words: dict[str, str]) -> str:
    entries = {key: value for key, value in _read(BUNDLE / "configs" / f"{name}.json").items() if key not in PLUMBING}
    told = {key: words.get(f"{key}.{name}", words.get(key)) for key in entries}
    options = [
        (f"`{key}`", text, _shorten(entries[key])) for key, text in told.items() if text and not _is_part(entries[key])
    ]
    changes = [(f"`{key}`", _shorten(value)) for key, value in entries.items() if "#" in key and _is_plain(value)]
    parts = [(f"`{key}`", *_describe(value)) for key, value in entries.items() if _is_part(value)]
    kinds = [(f"`{key}`", text) for key, text in entries.get(KINDS, {}).items()]
    lines = [f"## {name}.json", sentence]
    for header, rows in (
        (["option", "what it is", "default"], options),
        (["option", "must be"], kinds),
        (["what is inside a part", "set to"], changes),
        (["part", "is a", "which is"], parts),
    ):
        if rows:
            lines.append(markdown_table(header, rows, len(header)).rstrip())
    return "\n\n".join(lines)


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return not value.startswith(("$", "@", "%"))
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float)


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) and "." in value.get("_target_", "")


def _describe(part: dict[str, Any]) -> tuple[str, str]:
    """Its class, and the first sentence that the class says of itself."""
    module, _, name = part["_target_"].rpartition(".")
    text = (getattr(importlib.import_module(module), name).__doc__ or "").split("\n\n")[0]
    return f"`{part['_target_']}`", " ".join(text.split()).replace("|", "\\|")


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) and not _is_plain(value) else json.dumps(value)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see the config"


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    write_text(PAGE, page())
