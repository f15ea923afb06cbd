"""What a run leaves behind: a BIDS derivatives folder in which every output says where it comes from."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.folder_lock import LOCK_PREFIX, hold_part
from ..base.output_folder import generated_by, refuse_foreign
from ..base.text_files import write_json, write_text
from ..base.whole_file import refuse_full_or_read_only, remove_left_behind
from ..images.cut_off import tell_what_is_cut_off
from ..images.head_or_brain import LARGEST_BRAIN_ML, shows_head
from ..images.nifti import image_sha256, write_like, write_on_working_grid
from ..images.resampling import IDENTITY, to_native_grid
from ..images.sources import choose_reference
from ..inferers.harmonization import Harmonized
from ..jobs.jobs import Job
from ..jobs.naming import BIDS_IGNORED, GRID_SPACE, OutputNames, sidecar_path
from ..jobs.status_table import STATUS_LOCK, STATUS_TABLE
from ..jobs.targets import write_target_code
from ..registration.transform_file import write_transform
from .findings import compare_heads, findings
from .subjects import Subject
from .targets import PreparedTarget

# By these an earlier output is recognised.
MARKER = "dataset_description.json"
IGNORE = ".bidsignore"
GENERATOR = "harmonization"
# The spaces that `space` can name, as BIDS entities.
SPACES: Mapping[str, tuple[str | None, ...]] = {"native": (None,), "mni": (GRID_SPACE,), "both": (GRID_SPACE, None)}
# A sidecar holds all that decides an output's voxels, and under these keys what was found on the way.
FOUND, SKULL_STRIPPED = "Found", "SkullStripped"


@dataclass(frozen=True)
class Outputs:
    """Writes volumes, sidecars and tables under `folder`.

    `space` is native, the grid of the reference source; mni, the working grid; or both. The reference is `reference`,
    else the source of the target's contrast, else T1w, else the first. `maps` are written beside each image. `desc`
    is the BIDS label of the images. Runs that share one cohort each do a `part` of the same number of `parts`.

    BIDS asks of every image whether it is skull-stripped: it is taken to be if it shows at most `largest_brain_ml`.
    """

    folder: str | Path
    space: str = "native"
    maps: Sequence[str] = ()
    reference: str | None = None
    desc: str = "harmonized"
    part: int = 0
    parts: int = 1
    largest_brain_ml: float = LARGEST_BRAIN_ML
    bundle_version: str = ""

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise InputError(f"`space` must be one of {', '.join(SPACES)}, got {self.space}")
        if self.reference is not None and self.reference not in CONTRASTS:
            raise InputError(f"`reference` must be one of {', '.join(CONTRASTS)}, got {self.reference}")

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Refuse a folder that holds something else or is in use, and make it ours unless nothing comes to be in it.

        What killed runs left half-written is removed.
        """
        folder = Path(str(self.folder))
        refuse_foreign(folder, MARKER, GENERATOR)
        existed = folder.exists()
        self._write_markers(folder)
        with hold_part(folder, self.part, self.parts) as alone:
            remove_left_behind(folder, alone)
            try:
                yield
            finally:
                if alone and all(map(_is_bookkeeping, folder.rglob("*"))):
                    # Some file systems keep a file that is open, as the lock is.
                    shutil.rmtree(folder, ignore_errors=True)
                    if existed:
                        folder.mkdir(exist_ok=True)

    def _write_markers(self, folder: Path) -> None:
        content = {
            "Name": "Harmonized images",
            "BIDSVersion": "1.9.0",
            "DatasetType": "derivative",
            "GeneratedBy": generated_by(GENERATOR),
        }
        try:
            write_json(folder / MARKER, content)
            write_text(folder / IGNORE, "".join(f"{line}\n" for line in BIDS_IGNORED))
        except OSError as error:
            raise InputError(f"`output_dir` must be a folder that can be written, {folder} is not: {error}") from error

    def record(self, subject: Subject, target: PreparedTarget, method: Mapping[str, Any]) -> dict[str, Any]:
        """All that decides an output's voxels."""
        hashes = {contrast: image.sha256 for contrast, image in subject.images.items()}
        return self._record(subject.job, hashes, target.contrast, target.origin, method)

    def left_by_earlier_run(
        self, job: Job, method: Mapping[str, Any], origin: Callable[[str], Mapping[str, Any]]
    ) -> list[Path]:
        """Every volume of a job where all are there and would be made in the same way again, else none.

        `origin` tells what a sidecar says of the target of a contrast. No image is decoded.
        """
        volumes = {contrast: self._volumes(job, contrast) for contrast in job.targets}
        paths = [volume.path for each in volumes.values() for volume in each]
        if not all(path.is_file() and sidecar_path(path).is_file() for path in paths):
            return []
        hashes = {contrast: image_sha256(path) for contrast, path in job.sources.items()}
        for contrast in job.targets:
            record = self._record(job, hashes, contrast, origin(contrast), method)
            if not all(_has_record(volume.path, record) for volume in volumes[contrast]):
                return []
        return paths

    def _record(
        self,
        job: Job,
        hashes: Mapping[str, str],
        contrast: str,
        origin: Mapping[str, Any],
        method: Mapping[str, Any],
    ) -> dict[str, Any]:
        mask = job.brain_mask
        return {
            "Method": method,
            **({} if mask is None else {"BrainMask": {"file": mask.name, "sha256": image_sha256(mask)}}),
            "SourceImages": {c: {"file": job.sources[c].name, "sha256": sha256} for c, sha256 in hashes.items()},
            "Target": {"contrast": contrast, **origin},
            "Reference": self._reference(job, contrast),
        }

    def write(
        self, subject: Subject, target: PreparedTarget, result: Harmonized, record: Mapping[str, Any], title: str
    ) -> list[Path]:
        """Write the image and the maps of one target and say where; `title` goes into the headers."""
        arrays = _arrays(result, CONTRASTS.index(record["Reference"]))
        reference = subject.images[record["Reference"]]
        volumes = self._volumes(subject.job, target.contrast)
        to_mni = subject.aligned.to_mni.get(record["Reference"], IDENTITY)
        natives = {
            volume.what: to_native_grid(
                arrays[volume.what], reference, to_mni, order=0 if volume.what == "imputed" else 3
            )
            for volume in volumes
            if volume.space is None
        }
        head = self.shows_head(arrays["image"])
        if "image" in natives:
            tell_what_is_cut_off(f"{subject.job.name}, {record['Reference']}", natives["image"], head)
        sidecar = {
            **record,
            SKULL_STRIPPED: not head,
            FOUND: {
                **findings(subject, result, arrays, natives.get("image")),
                **compare_heads(subject, target, self._with_head(subject)),
            },
        }
        with refuse_full_or_read_only(volumes[-1].path):
            names = OutputNames(Path(str(self.folder)), subject.job, self.desc)
            for contrast, matrix in subject.aligned.to_mni.items():
                write_transform(names.transform(contrast), matrix)
            for volume in volumes:
                # Without its sidecar a volume counts as absent, should this run end between the two.
                sidecar_path(volume.path).unlink(missing_ok=True)
                if volume.space is None:
                    write_like(volume.path, natives[volume.what].voxels, reference, title)
                else:
                    write_on_working_grid(volume.path, arrays[volume.what], title)
                write_json(sidecar_path(volume.path), sidecar)
        return [volume.path for volume in volumes]

    def shows_head(self, volume: np.ndarray | Tensor) -> bool:
        """Whether an image (X, Y, Z) on the working grid shows more than a brain."""
        return shows_head(volume, self.largest_brain_ml)

    def _with_head(self, subject: Subject) -> list[str]:
        """The contrasts of the sources that show the head."""
        return [c for c in subject.images if self.shows_head(subject.data["image"][CONTRASTS.index(c)])]

    def write_features(self, subject: Subject, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write the table of what the method saw in one subject's sources."""
        names = OutputNames(Path(str(self.folder)), subject.job, self.desc)
        with refuse_full_or_read_only(names.features()):
            write_text(names.features(), "".join("\t".join(row) + "\n" for row in [header, *rows]))

    def write_codes(
        self, subject: Subject, table: tuple[list[str], list[list[str]]] | None, codes: Sequence[Mapping[str, Any]]
    ) -> list[Path]:
        """Write the table, if there is one, and each source's code, to be used as a target; say where."""
        names = OutputNames(Path(str(self.folder)), subject.job, self.desc)
        if table is not None:
            self.write_features(subject, *table)
        for code in codes:
            with refuse_full_or_read_only(names.code(code["contrast"])):
                write_target_code(names.code(code["contrast"]), code)
        return [*([names.features()] if table else []), *(names.code(code["contrast"]) for code in codes)]

    def _reference(self, job: Job, contrast: str) -> str:
        return choose_reference(job.sources, contrast, self.reference)

    def _volumes(self, job: Job, contrast: str) -> list["_Volume"]:
        """Every volume that is wanted of one target, the images last."""
        maps, images = [], []
        for space in SPACES[self.space]:
            names = OutputNames(Path(str(self.folder)), job, self.desc, space)
            images.append(_Volume("image", names.image(contrast), space))
            if "attention" in self.maps:
                maps += [_Volume(source, names.attention(contrast, source), space) for source in job.sources]
            if "uncertainty" in self.maps:
                maps.append(_Volume("uncertainty", names.uncertainty(contrast), space))
            if "imputed" in self.maps:
                maps.append(_Volume("imputed", names.imputed(contrast), space))
        return maps + images


@dataclass(frozen=True)
class _Volume:
    """One file; `what` is the image, a map, or the source whose attention map it is."""

    what: str
    path: Path
    space: str | None


def _arrays(result: Harmonized, reference: int) -> dict[str, np.ndarray]:
    """The image and the maps that there are, each (X, Y, Z) float32 on the working grid."""
    values = {"image": result.image[0]}
    if result.uncertainty is not None:
        values["uncertainty"] = result.uncertainty[0]
    if result.foreground is not None and result.visible is not None:
        values["imputed"] = result.visible[0] & ~result.foreground[reference]
    if result.attention is not None:
        values |= dict(zip(CONTRASTS, result.attention, strict=True))
    return {what: value.float().numpy(force=True) for what, value in values.items()}


def _has_record(path: Path, record: Mapping[str, Any]) -> bool:
    try:
        sidecar = json.loads(sidecar_path(path).read_text())
    except (OSError, ValueError):
        return False
    decisive = {key: value for key, value in sidecar.items() if key not in (FOUND, SKULL_STRIPPED)}
    # As JSON has it, tuples being lists.
    return decisive == json.loads(json.dumps(record))


def _is_bookkeeping(path: Path) -> bool:
    """Whether it is a folder, or a file that tells of a run but is no result of one."""
    names = (MARKER, IGNORE, STATUS_TABLE, STATUS_LOCK)
    return path.is_dir() or path.name in names or path.name.startswith(LOCK_PREFIX)
