"""Gathers the weights of finished trainings in the folder that the bundle takes its weights from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import InputError
from ..base.text_files import write_json
from ..base.weights import file_sha256, read_checkpoint, save_weights
from ..training.checkpoints import PROVENANCE_FILE

MODEL_CARD = "model.json"
# Options that say where something lies on the machine of a training.
_FOLDERS = ("bundle_root", "output_dir", "dataset_dir")


@dataclass(frozen=True)
class WeightsRelease:
    """Writes weights in half precision to `output_dir`, and to `model.json` beside them how they were made.

    `trainings` are the files of weights that trainings left, by the file that each becomes; networks compute in single
    precision all the same. What `model.json` says of other files that are still there stays. `license`, `data` and
    `data_license` are said of all of them.
    """

    trainings: Mapping[str, str]
    output_dir: str
    version: str
    license: str
    data: str
    data_license: str

    def run(self) -> str:
        """Check everything, then write; return what was written."""
        kept = self._kept()
        found = {name: self._read(Path(path)) for name, path in self.trainings.items()}
        files = {}
        for name, (state, provenance) in found.items():
            half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
            broken = [key for key, value in half.items() if not value.isfinite().all()]
            if broken:
                raise InputError(f"weights of {name} must fit into half precision, {', '.join(broken)} do not")
            sha256 = save_weights(half, Path(self.output_dir) / name)
            values = sum(value.numel() for value in state.values())
            files[name] = {"sha256": sha256, "values": values, "precision": "float16", "training": provenance}
        card = {
            "origin": "trained by this bundle's configs, released by configs/release_weights.json",
            "bundle_version": self.version,
            "license": self.license,
            "training_data": self.data,
            "training_data_license": self.data_license,
            "files": {**files, **kept},
        }
        write_json(Path(self.output_dir) / MODEL_CARD, card)
        return "\n".join(f"{self.output_dir}/{name} (SHA-256 {entry['sha256']})" for name, entry in files.items())

    def _kept(self) -> dict[str, Any]:
        """What an earlier release says of files that this one does not write."""
        path = Path(self.output_dir) / MODEL_CARD
        entries: dict[str, Any] = json.loads(path.read_text())["files"] if path.is_file() else {}
        there = {name: Path(self.output_dir) / name for name in entries if name not in self.trainings}
        kept = {name: entries[name] for name, file in there.items() if file.is_file()}
        for name, entry in kept.items():
            sha256 = file_sha256(there[name])
            if entry["sha256"] != sha256:
                raise InputError(
                    f"{there[name]} must be the file that {path} describes, its SHA-256 is {sha256}; release it too, "
                    "or remove it"
                )
        return kept

    def _read(self, weights: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """The weights of a training, and what it says of them without this machine's folders."""
        path = weights.with_name(PROVENANCE_FILE)
        if not path.is_file():
            raise InputError(f"`trainings` must be weights in folders of trainings, {path} does not exist")
        provenance = json.loads(path.read_text())
        sha256 = file_sha256(weights) if weights.is_file() else "missing"
        if provenance["sha256"].get(weights.name) != sha256:
            raise InputError(f"{weights} must be the file that {path} describes, its SHA-256 is {sha256}")
        config = {key: value for key, value in provenance["config"].items() if key not in _FOLDERS}
        initial = config.get("initial_weights")
        if initial:
            # Which ones they were, not where they lay.
            config["initial_weights"] = Path(str(initial)).name
        return read_checkpoint(weights), {**provenance, "config": config}
