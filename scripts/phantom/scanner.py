"""Simulated scanners: what each one is, and the protocol with which it acquires each contrast.

A scanner is drawn once, from a seed and the ranges in `protocols.json`, and then serves every subject. In that file
each contrast has a list of alternatives, a `sequence` with its `weight` and `parameters`; `common` has the parameters
that are the same for all. The law of a parameter is one of

    3.0                                     always this value
    [2.0, 2.5]                              uniform
    {"log": [0.01, 0.04]}                   log-uniform
    {"choice": [0, 2], "weights": [1, 4]}   one of these; weights are optional
    {"nulls": [4.0, 4.6]}                   `inversion_time` only: the one that nulls a T1, drawn uniformly

An alternative, and `common`, may have `overrides`: `{"when": {"manufacturer": [...], "field_strength": [...]},
"weight": 2, "parameters": {...}}` replaces the weight and single laws for the scanners that `when` names. Later
overrides win, and an alternative wins over `common`.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError

RANGES_FILE = Path(__file__).with_name("protocols.json")
SEQUENCES: tuple[str, ...] = ("mprage", "spgr", "se", "tse", "flair")


@dataclass(frozen=True)
class Protocol:
    """How one scanner acquires one contrast: times in s, angles in degrees, lengths in mm."""

    contrast: str
    sequence: str
    repetition_time: float
    echo_time: float
    inversion_time: float | None
    flip_angle: float
    echo_train_length: int
    echo_spacing: float
    acquisition: str
    slice_axis: int
    """Grid axis across the slices: 0 sagittal, 1 coronal, 2 axial."""
    in_plane_mm: float
    slice_mm: float
    apodization: float
    """Strength of the k-space window, 0 (none, most ringing) to 1."""
    sharpening: float
    """Strength of the vendor's edge filter, 0 for none."""
    noise: float
    """Standard deviation of the noise in each channel over the mean signal of white matter."""
    bias_strength: float
    """Standard deviation of the logarithm of the receive field over the head."""
    transmit_spread: float
    """Relative spread of the flip angle over the head."""
    gain: float
    magnetization_transfer: float
    """Share of tissue signal that the other slices' pulses take away (2D only)."""
    misalignment_mm: float
    misalignment_deg: float
    """Standard deviations of the rigid shift of this contrast, drawn anew at each visit."""
    distortion_mm: float
    """Peak of the smooth geometric distortion that is left on this scanner."""


@dataclass(frozen=True)
class Scanner:
    """One scanner; `seed` fixes what its protocols leave open, such as the shape of its fields."""

    name: str
    site: str
    manufacturer: str
    field_strength: float
    seed: int
    protocols: dict[str, Protocol]

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Scanner":
        """Rebuild a scanner that `to_json` saved."""
        protocols = {contrast: Protocol(**protocol) for contrast, protocol in content["protocols"].items()}
        return cls(**{**content, "protocols": protocols})


def load_ranges(path: Path | str = RANGES_FILE) -> dict[str, Any]:
    """Read ranges of protocols; without `path` those that the repository carries."""
    if not Path(path).is_file():
        raise InputError(f"protocol ranges must be a JSON file, but {path} is not a file")
    return json.loads(Path(path).read_text())


def draw_scanner(
    name: str,
    site: str,
    manufacturer: str,
    field_strength: float,
    contrasts: Iterable[str],
    seed: int,
    ranges: Mapping[str, Any],
) -> Scanner:
    """Draw a protocol for each of `contrasts`; a contrast's protocol does not depend on which others are asked for."""
    protocols = {}
    for contrast in contrasts:
        rng = np.random.default_rng([seed, CONTRASTS.index(contrast)])
        protocols[contrast] = _draw_protocol(contrast, manufacturer, field_strength, ranges, rng)
    return Scanner(name, site, manufacturer, float(field_strength), seed, protocols)


def prescribe(ranges: Mapping[str, Any], protocol: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Narrow the ranges to what a study prescribes: sequence, acquisition, and laws of single parameters."""
    narrowed = dict(ranges)
    for contrast, wanted in protocol.items():
        kept = [a for a in ranges.get(contrast, ()) if _offers(a, wanted)]
        if not kept:
            raise InputError(f"`protocol` of {contrast} must fit one of the ranges' alternatives, got {dict(wanted)}")
        laws = {name: law for name, law in wanted.items() if name not in ("sequence", "acquisition")}
        override = {"when": {}, "parameters": laws}
        narrowed[contrast] = [{**a, "weight": 1, "overrides": [*a.get("overrides", ()), override]} for a in kept]
        for alternative in narrowed[contrast]:
            alternative["overrides"] = [{k: v for k, v in o.items() if k != "weight"} for o in alternative["overrides"]]
    return narrowed


def _offers(alternative: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    sequence, acquisition = alternative["sequence"], alternative["parameters"]["acquisition"]
    return wanted.get("sequence", sequence) == sequence and wanted.get("acquisition", acquisition) == acquisition


def _draw_protocol(
    contrast: str, manufacturer: str, field_strength: float, ranges: Mapping[str, Any], rng: np.random.Generator
) -> Protocol:
    """Choose one of the contrast's alternatives by weight and draw its parameters in the order of `Protocol`."""
    alternatives = [_resolve(alternative, manufacturer, field_strength) for alternative in ranges[contrast]]
    weights = np.array([alternative["weight"] for alternative in alternatives], dtype=float)
    if weights.sum() <= 0:
        raise InputError(f"{contrast} protocols: one `weight` must be above 0 for {manufacturer}, none is")
    chosen = alternatives[rng.choice(len(alternatives), p=weights / weights.sum())]
    common = _resolve(ranges["common"], manufacturer, field_strength)["parameters"]
    laws = {**common, **chosen["parameters"]}
    sequence = chosen["sequence"]
    if sequence not in SEQUENCES:
        raise InputError(f"{contrast} protocols: `sequence` must be among {', '.join(SEQUENCES)}, got {sequence}")
    names = [field.name for field in fields(Protocol) if field.name not in ("contrast", "sequence")]
    for name in sorted(laws.keys() ^ set(names)):
        problem = "is missing" if name in names else f"must be one of {', '.join(names)}"
        raise InputError(f"{contrast} protocols ({sequence}): parameter `{name}` {problem}")
    values = {name: _draw_value(laws[name], rng) for name in names}
    if isinstance(laws["inversion_time"], Mapping) and "nulls" in laws["inversion_time"]:
        train = values["echo_train_length"] * values["echo_spacing"]
        values["inversion_time"] = nulling_time(values["inversion_time"], values["repetition_time"] - train)
    return Protocol(contrast=contrast, sequence=sequence, **values)


def _resolve(block: Mapping[str, Any], manufacturer: str, field_strength: float) -> dict[str, Any]:
    """Apply the overrides of a block that name this scanner."""
    resolved = {**block, "parameters": dict(block["parameters"])}
    for override in block.get("overrides", ()):
        when = override["when"]
        named = manufacturer in when.get("manufacturer", [manufacturer])
        if named and field_strength in when.get("field_strength", [field_strength]):
            resolved["weight"] = override.get("weight", resolved.get("weight"))
            resolved["parameters"].update(override.get("parameters", {}))
    return resolved


def _draw_value(law: Any, rng: np.random.Generator) -> Any:
    """Draw one parameter by its law (see the top of this file); of `nulls`, the T1."""
    if isinstance(law, list):
        return float(rng.uniform(*law))
    if not isinstance(law, Mapping):
        return law
    if "nulls" in law:
        return float(rng.uniform(*law["nulls"]))
    if "log" in law:
        return float(np.exp(rng.uniform(*np.log(law["log"]))))
    weights = np.array(law.get("weights", [1] * len(law["choice"])), dtype=float)
    return law["choice"][rng.choice(len(weights), p=weights / weights.sum())]


def nulling_time(t1: float, recovery: float) -> float:
    """Inversion time in s at which T1 gives no signal, `recovery` being the repetition time less the echo train.

    0 = 1 - 2 exp(-TI / T1) + exp(-R / T1), so TI = T1 ln(2 / (1 + exp(-R / T1))).
    """
    return t1 * math.log(2.0 / (1.0 + math.exp(-recovery / t1)))
