"""The numbers of the phantom that are data: how subjects differ, and what scanners and visits leave in an image."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name(name).read_text())
    return content


@lru_cache(maxsize=1)
def anatomy_model() -> dict[str, Any]:
    """How subjects differ: `anatomy.json`, read once per process."""
    return _read("anatomy.json")


@lru_cache(maxsize=1)
def pattern_model() -> dict[str, Any]:
    """What a scanner or a visit leaves in an image: `patterns.json`, read once per process."""
    return _read("patterns.json")


@lru_cache(maxsize=1)
def tissue_table() -> dict[str, Any]:
    """Proton density and relaxation of tissues: `tissues.json`, read once per process."""
    return _read("tissues.json")
