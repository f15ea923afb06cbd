"""JSON files of users and of other programs, read without trust."""

import json
import logging
from pathlib import Path
from typing import Any

from .errors import InputError

logger = logging.getLogger(__name__)

_LARGEST_BYTES = 1 << 26
_DEEPEST = 100


def read_json(path: Path | str, what: str, unique_keys: bool = True) -> Any:
    """Read a JSON file; refuse, as `what`, one that is none, is nested without end, or has a key of an object twice."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no regular file")
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError(f"it has more than {_LARGEST_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text, object_pairs_hook=_with_unique_keys if unique_keys else None)
        if _is_deeper(content, _DEEPEST):
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    except RecursionError as error:
        raise InputError(f"{what} {path} must be a readable JSON file: it is nested too deep") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{what} {path} must be a readable JSON file: {error}") from error
    return content


def read_sidecar(image: Path) -> dict[str, Any]:
    """The JSON file beside an image of that name; nothing where there is none, or none that can be used."""
    sidecar = image.with_name(image.name.split(".nii")[0] + ".json")
    if not sidecar.exists():
        return {}
    try:
        content = read_json(sidecar, "sidecar", unique_keys=False)
    except InputError as error:
        logger.warning("%s; it is not used", error)
        return {}
    if isinstance(content, dict):
        return content
    logger.warning("sidecar %s is not used, since it must hold an object: it holds %.40r", sidecar, content)
    return {}


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key `{twice[:80]}` is there twice")
    return content


def _is_deeper(content: Any, most: int) -> bool:
    """Whether there are more than that many lists and objects in each other."""
    level = [content]
    for _ in range(most + 1):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(level)
