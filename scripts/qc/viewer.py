"""The part of a page in which volumes can be looked at: NiiVue and the volumes, all inside the page.

Volumes are 8 bits a voxel. Where they would make the page larger than allowed, blocks of 2, 3 or 4 voxels along each
axis are averaged; what is still too large is left out.
"""

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass

import nibabel
import numpy as np

from .colors import gray
from .niivue import NiiVue
from .planes import Box

_BLOCKS = (1, 2, 3, 4)


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
