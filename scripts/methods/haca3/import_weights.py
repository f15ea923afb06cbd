"""Turns the checkpoints that the authors of HACA3 and HACA3+ publish into this bundle's model files."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from torch import nn

from ...base.errors import InputError
from ...base.text_files import write_json
from ...base.weights import save_weights
from .published_checkpoint import FUSION_NAMES, HARMONIZATION_NAMES, PublishedWeights, read_published

MODEL, FUSION, PROVENANCE = "model.pt", "fusion.pt", "model.json"
ATTENTION = (
    "HACA3 and HACA3+ have parameters of the same names and shapes: the file does not tell which it is; "
    "the attention of the inference config decides"
)


@dataclass(frozen=True)
class WeightsImport:
    """Writes `model.pt`, `fusion.pt` where `fusion` is given, and their provenance `model.json` to `output_dir`.

    Everything is read and checked before anything is written. `version` is this bundle's.
    """

    checkpoint: str
    fusion: str | None
    output_dir: str
    network_def: nn.Module
    fusion_def: nn.Module
    version: str
    overwrite: bool = False

    def run(self) -> str:
        """Import, and return what was found."""
        folder = Path(self.output_dir)
        if not self.checkpoint:
            raise InputError("`checkpoint` must be the authors' file, such as --checkpoint harmonization.pt")
        self._refuse_existing(folder)
        found = {MODEL: read_published(self.checkpoint, self.network_def, HARMONIZATION_NAMES)}
        if self.fusion:
            found[FUSION] = read_published(self.fusion, self.fusion_def, FUSION_NAMES)
        try:
            hashes = {name: save_weights(weights.state, folder / name) for name, weights in found.items()}
        except OSError as error:
            raise InputError(f"`output_dir` must be a folder that can be written, {folder} is not: {error}") from error
        if FUSION not in found:
            # That of an earlier import does not belong to this model.
            (folder / FUSION).unlink(missing_ok=True)
        write_json(folder / PROVENANCE, self._provenance(found, hashes))
        return "\n".join(_report(folder, found, hashes))

    def _refuse_existing(self, folder: Path) -> None:
        existing = [name for name in (MODEL, FUSION, PROVENANCE) if (folder / name).exists()]
        if existing and not self.overwrite:
            raise InputError(
                f"`output_dir` {folder} already has {', '.join(existing)}; add --overwrite true to replace it"
            )

    def _provenance(self, found: Mapping[str, PublishedWeights], hashes: Mapping[str, str]) -> dict[str, Any]:
        files = {
            name: {
                "sha256": hashes[name],
                "source": weights.path.name,
                "source_sha256": weights.sha256,
                "encoders": weights.encoders,
                "left_out": weights.left_out,
                "parameters": len(weights.shapes),
                "values": _values(weights),
                "shapes": weights.shapes,
            }
            for name, weights in found.items()
        }
        return {
            "origin": "imported by configs/import_weights.json",
            "bundle_version": self.version,
            "license": "as the authors state; not redistributed",
            "attention": ATTENTION,
            "default_target": "zeros; a published checkpoint holds none",
            "files": files,
        }


def _values(weights: PublishedWeights) -> int:
    return sum(prod(shape) for shape in weights.shapes.values())


def _report(folder: Path, found: Mapping[str, PublishedWeights], hashes: Mapping[str, str]) -> Iterator[str]:
    for name, weights in found.items():
        yield f"{weights.path} (SHA-256 {weights.sha256})"
        parts = Counter(key.partition(".")[0] for key in weights.shapes)
        for part, parameters in parts.items():
            values = sum(prod(shape) for key, shape in weights.shapes.items() if key.startswith(f"{part}."))
            variant = f"; {weights.encoders[part]}" if part in weights.encoders else ""
            yield f"  {part}: {parameters} parameters, {values} values{variant}"
        yield f"  left out: {', '.join(weights.left_out) or 'nothing'}"
        yield f"  written: {folder / name} (SHA-256 {hashes[name]})"
    if FUSION not in found:
        yield "No `fusion` was given: the three planes can be fused by their median only"
    yield ATTENTION
    yield f"Every shape is listed in {folder / PROVENANCE}"
