"""How simulated subjects differ from one another: the numbers of `anatomy.json`."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def anatomy_model() -> dict[str, Any]:
    """Read the numbers once per process."""
    content: dict[str, Any] = json.loads((Path(__file__).parent / "anatomy.json").read_text())
    return content
