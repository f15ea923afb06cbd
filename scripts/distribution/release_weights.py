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


@dataclass(frozen=True)
class WeightsRelease:
    """Writes weights in half precision to `output_dir`, and to `model.json` beside them how they were made.

    `trainings` are the folders of trainings by the file of weights to take from each; networks compute in single
    precision all the same. `license`, `data` and `data_license` are said of all of them.
    """

    trainings: Mapping[str, str]
    output_dir: str
    version: str
    license: str
    data: str
    data_license: str

    def run(self) -> str:
        """Check everything, then write; return what was written."""
        found = {name: self._read(Path(folder), name) for name, folder in self.trainings.items()}
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
            "files": files,
        }
        write_json(Path(self.output_dir) / MODEL_CARD, card)
        return "\n".join(f"{self.output_dir}/{name} (SHA-256 {entry['sha256']})" for name, entry in files.items())

    def _read(self, folder: Path, name: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """The weights of a training, and what it says of them without this machine's folders."""
        path = folder / PROVENANCE_FILE
        if not path.is_file():
            raise InputError(f"`trainings` must be folders of trainings, {path} does not exist")
        provenance = json.loads(path.read_text())
        sha256 = file_sha256(folder / name) if (folder / name).is_file() else "missing"
        if provenance["sha256"].get(name) != sha256:
            raise InputError(f"{folder / name} must be the file that {path} describes, its SHA-256 is {sha256}")
        config = {key: value for key, value in provenance["config"].items() if key not in ("bundle_root", "output_dir")}
        return read_checkpoint(folder / name), {**provenance, "config": config}
