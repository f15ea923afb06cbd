"""JSON and text files; a file appears under its final name only when it is whole."""

import json
from pathlib import Path
from typing import Any

from .whole_file import whole_file


def write_json(path: Path | str, content: dict[str, Any]) -> None:
    """Write a JSON file."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path | str, content: str) -> None:
    """Write a text file; of names that are not UTF-8, as names of files need not be, the bytes stand as `\\udcff`."""
    with whole_file(Path(path)) as partial:
        partial.write_text(content, encoding="utf-8", errors="backslashreplace")
