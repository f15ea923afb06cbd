"""Writes docs/configuration.md, what the options of every config mean: `python -m scripts.distribution.configuration`.

Names and defaults are those of the configs. What an option means is told by docs/configuration_words.json under its
name or, where a config means something else by it, under `name.config`. Parts are named with their class alone, whose
docstring says what its arguments are. What the values of an option must be, a config
itself declares: `option_kinds`.
"""

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
# The page tells of them once.
IN_EVERY_CONFIG = ("bundle_root",)
LONGEST_DEFAULT = 70


def page() -> str:
    """The text of docs/configuration.md."""
    words = _read(WORDS)
    head = (
        "# Configuration\n\n"
        "This page lists every option of every config. Override an option on the command line, for example `--seed 7`."
        " A misspelt or unused option is refused. Configs that are named as being over another one are given together:"
        " `--config_file \"['configs/inference.json', 'configs/method_nyul.json']\"`. `bundle_root` is the bundle's"
        " folder in every config.\n\n"
        "Parts are built of classes. Override what is inside one by its path (`--inferer#code_slices 4`); the"
        " class's docstring says what its arguments mean.\n\n"
        "`python -m scripts.distribution.configuration` writes this page from the configs and"
        " `docs/configuration_words.json`."
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
            known = {key, f"{key}.{path.stem}"} & words["options"].keys()
            if _is_plain(value) and not _is_change(key) and not known:
                yield f"{key}.{path.stem}"


def _section(name: str, sentence: str, words: dict[str, str]) -> str:
    entries = {key: value for key, value in _read(BUNDLE / "configs" / f"{name}.json").items() if key not in PLUMBING}
    told = {key: words.get(f"{key}.{name}", words.get(key)) for key in entries if key not in IN_EVERY_CONFIG}
    options = [
        (f"`{key}`", text, _shorten(entries[key])) for key, text in told.items() if text and not _is_part(entries[key])
    ]
    changes = [f"`{key}` = {_shorten(value)}" for key, value in entries.items() if _is_change(key) and _is_plain(value)]
    parts = [f"`{key}` ({_class_name(value)})" for key, value in entries.items() if _is_part(value)]
    lines = [f"## {name}.json", sentence]
    if options:
        header = ["option", "what it is", "default"]
        lines.append(markdown_table(header, options, len(header)).rstrip())
    kinds = [(f"`{key}`", text) for key, text in entries.get(KINDS, {}).items()]
    if kinds:
        lines.append(markdown_table(["option", "must be"], kinds, 2).rstrip())
    if changes:
        lines.append(f"Changes inside parts: {', '.join(changes)}.")
    if parts:
        lines.append(f"Parts: {', '.join(parts)}.")
    return "\n\n".join(lines)


def _is_change(key: str) -> bool:
    """Whether it is inside a part of the config below, or an addition to what that has."""
    return "#" in key or key.startswith("+")


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return not value.startswith(("$", "@", "%"))
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float)


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) and "." in value.get("_target_", "")


def _class_name(part: dict[str, Any]) -> str:
    return str(part["_target_"].rpartition(".")[2])


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) and not _is_plain(value) else json.dumps(value)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see the config"


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    write_text(PAGE, page())
