"""The part of a page in which volumes can be looked at: NiiVue and the volumes, all inside the page.

Volumes are 8 bits a voxel. Where they would make the page larger than allowed, blocks of 2, 3 or 4 voxels along each
axis are averaged; what is still too large is left out.

NiiVue is no part of this bundle. ipyniivue's widget, a single file of JavaScript, holds it a second time, as the text
that it writes into pages which are to stand alone: an ES module, URL-encoded. That text is taken here; the package is
not imported. A release without it is refused at the start of a run, with the ways out; tests hold the pinned one to it.
"""

import base64
import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import nibabel
import numpy as np

from ..base.contrasts import BIDS_SUFFIX
from ..base.errors import InputError
from .comparison import Box, Comparison
from .slices import gray

_LONG_TEXT = re.compile('"([^"\\\\]{1000000,})"')
_EXPORT = re.compile(r"export\s*{[^}]*\bNiivue\b")
_WAYS_OUT = "pip install -r requirements-report.txt, or go without by --report#viewer_megabytes 0"
_BLOCKS = (1, 2, 3, 4)


@dataclass(frozen=True)
class NiiVue:
    """The ES module, and the package with its version that it was taken from."""

    module: str
    package: str


@dataclass(frozen=True)
class Embedded:
    """Base64 of what was packed by gzip: the module and the NIfTI files by their labels, with voxels of that size."""

    module: str
    volumes: Mapping[str, str]
    millimeters: int

    @property
    def size(self) -> int:
        """Bytes within the page."""
        return len(self.module) + sum(map(len, self.volumes.values()))

    @property
    def first_choice(self) -> tuple[str, str]:
        """What the panes show first: the source of the contrast that was harmonized, else any, and what came of it."""
        after = next(label for label in self.volumes if label.startswith("harmonized"))
        same = after.replace("harmonized", "source")
        return (same if same in self.volumes else next(iter(self.volumes))), after


@lru_cache
def find_niivue(package: str = "ipyniivue") -> NiiVue:
    """NiiVue as the installed package has it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"the viewer of the report needs the package {package}: {_WAYS_OUT}")
    widget = Path(spec.origin).with_name("static") / "widget.js"
    release = f"{package} {version(package)}"
    module = find_module(widget.read_text(encoding="utf-8")) if widget.is_file() else None
    if module is None:
        raise InputError(
            f"the installed {release} must carry a NiiVue that stands alone and does not; for the viewer of the report,"
            f" {_WAYS_OUT}"
        )
    return NiiVue(module, release)


def find_module(widget: str) -> str | None:
    """The ES module that exports NiiVue, from the text of the widget that holds it as a URL-encoded string."""
    return next((text for text in map(unquote, _LONG_TEXT.findall(widget)) if _EXPORT.search(text)), None)


def offered_volumes(comparisons: Mapping[str, Comparison]) -> dict[str, tuple[np.ndarray, Box]]:
    """What the viewer offers, of comparisons by their targets' labels: sources once, targets, harmonized images."""
    sources: dict[str, tuple[np.ndarray, Box]] = {}
    targets, harmonized = sources.copy(), sources.copy()
    for label, comparison in comparisons.items():
        for name, volume in comparison.sources.items():
            # A source is in the window of its own contrast, where that was harmonized.
            if name == comparison.contrast or name not in sources:
                sources[name] = volume, comparison.box
        if comparison.target is not None:
            targets[f"target {label}"] = comparison.target, comparison.box
        harmonized[f"harmonized {label}"] = comparison.harmonized, comparison.box
    return {f"source {BIDS_SUFFIX[name]}": source for name, source in sources.items()} | targets | harmonized


def embed(niivue: NiiVue, volumes: Mapping[str, tuple[np.ndarray, Box]], most_bytes: float) -> Embedded | None:
    """The volumes (X, Y, Z) of their boxes, 1.0 being white, as fine as `most_bytes` allow; None where nothing fits."""
    module = _pack(niivue.module.encode())
    for block in _BLOCKS:
        files = {label: _pack(_nifti(*volume, block)) for label, volume in volumes.items()}
        embedded = Embedded(module, files, block)
        if embedded.size <= most_bytes:
            return embedded
    return None


def _nifti(volume: np.ndarray, box: Box, block: int) -> bytes:
    """The file's content; a block's value is its mean, its place the middle."""
    whole = [size // block * block for size in volume.shape]
    x, y, z = (size // block for size in whole)
    means = volume[: whole[0], : whole[1], : whole[2]].reshape(x, block, y, block, z, block).mean((1, 3, 5))
    affine = box.affine
    affine[:3, 3] += affine[:3, :3] @ np.full(3, (block - 1) / 2)
    affine[:3, :3] *= block
    return bytes(nibabel.Nifti1Image(gray(means), affine).to_bytes())


def _pack(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode()
