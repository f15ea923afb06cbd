"""Where a scan was made, as far as the JSON sidecar beside it tells."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """Site and scanner; empty where unknown."""

    site: str = ""
    scanner: str = ""


def read_origin(path: Path) -> Origin:
    """From BIDS's `InstitutionName`, and `StationName` or else manufacturer, model and field strength."""
    sidecar = path.with_name(path.name.partition(".nii")[0] + ".json")
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Origin()
    if not isinstance(content, dict):
        return Origin()
    keys = ("Manufacturer", "ManufacturersModelName", "MagneticFieldStrength")
    model = " ".join(str(content[key]) for key in keys if content.get(key))
    return Origin(str(content.get("InstitutionName") or ""), str(content.get("StationName") or model))
