"""What a user wrote, on the command line or in a file, checked and brought into the form it was meant in."""

import ast
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .contrasts import CONTRASTS
from .errors import InputError

# A name of any length costs time to compare, and nobody reads it.
_LONGEST_NAME = 80


def by_contrast(values: Any, key: str) -> dict[str, str]:
    """Check a dict that the command line or a file gives for `key`: texts by contrast; None is an absent contrast."""
    if not isinstance(values, Mapping) or all(value is None for value in values.values()):
        example = "{'t1w': 'a.nii.gz', 'flair': 'b.nii.gz'}"
        raise InputError(f'`{key}` must give a value for each contrast, like --{key} "{example}", got {values!r}')
    refuse_unknown(values, CONTRASTS, f"contrast of `{key}`")
    given = ((contrast, values.get(contrast)) for contrast in CONTRASTS)
    return {contrast: as_text(value, f"{key} {contrast}") for contrast, value in given if value is not None}


def as_text(value: Any, key: str) -> str:
    """Refuse what is not text: the command line reads 1e2 and 0x10 as numbers, which do not come back as written."""
    if not isinstance(value, str | Path):
        way_out = "; put what you wrote in quotes, on the command line in two pairs: \"'...'\""
        raise InputError(f"`{key}` must be text, got {value!r}{way_out if isinstance(value, int | float) else ''}")
    if not str(value).strip():
        raise InputError(f"`{key}` must not be empty")
    return str(value)


def as_path(text: str, folder: Path = Path()) -> Path:
    """A path as the user wrote it, relative ones beginning in `folder`; inside a dict no shell has expanded the `~`."""
    return folder / os.path.expanduser(text)


def refuse_unknown(names: Any, known: tuple[str, ...], what: str) -> None:
    """Refuse the first of `names` that is not `known`, with the nearest one that is."""
    for name in names:
        if name not in known:
            shown = str(name)[:_LONGEST_NAME]
            nearest = get_close_matches(shown, known, n=1, cutoff=0)[0]
            raise InputError(f"unknown {what} `{shown}`; did you mean `{nearest}`? Known are {', '.join(known)}")


def refuse_keys_given_twice(words: Sequence[str]) -> None:
    """Refuse a dict on a command line of `words` that has a key twice, of which Python keeps the last in silence."""
    for word in words:
        text = word.partition("=")[2] if word.startswith("--") else word
        if not text.lstrip().startswith(("{", "[")):
            continue
        try:
            nodes = [*ast.walk(ast.parse(text.strip(), mode="eval"))]
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        for node in nodes:
            keys = [ast.unparse(key).strip("'") for key in node.keys if key] if isinstance(node, ast.Dict) else []
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                raise InputError(f"every key must be there once, `{twice[:_LONGEST_NAME]}` is there twice in {text}")


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is not a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"`{name}` must be a whole number of at least {least}, got {value}")
