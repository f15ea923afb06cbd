"""What a user wrote, on the command line or in a file of JSON, checked and brought into the form it was meant in."""

import json
import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .contrasts import CONTRASTS
from .errors import InputError


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


def read_json(path: Path | str, what: str) -> Any:
    """Read a JSON file; refuse, as `what`, one that is none."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{what} {path} must be a readable JSON file: {error}") from error


def read_sidecar(image: Path) -> Any:
    """The JSON file beside an image of that name; nothing where there is none."""
    sidecar = image.with_name(image.name.split(".nii")[0] + ".json")
    return read_json(sidecar, "sidecar") if sidecar.is_file() else {}


def refuse_unknown(names: Any, known: tuple[str, ...], what: str) -> None:
    """Refuse the first of `names` that is not `known`, with the nearest one that is."""
    for name in names:
        if name not in known:
            nearest = get_close_matches(str(name), known, n=1, cutoff=0)[0]
            raise InputError(f"unknown {what} `{name}`; did you mean `{nearest}`? Known are {', '.join(known)}")


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is not a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"`{name}` must be a whole number of at least {least}, got {value}")
