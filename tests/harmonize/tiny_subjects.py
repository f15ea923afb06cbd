"""Tiny images of one subject on grids of their own, and networks that are quick because they are narrow."""

from pathlib import Path
from typing import Any

import monai.bundle
import nibabel
import numpy as np

from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3plus.network import HarmonizationNet
from scripts.methods.haca3plus.sizes import AnatomySizes, CodeSizes

from ..methods.haca3.own_parts import own_haca3_plus

BUNDLE = Path(__file__).parents[2]
# Voxel to world: near the middle of MNI152 space, on whole millimeters, in RAS order.
AFFINE = np.array([[1.0, 0, 0, -16], [0, 1, 0, -30], [0, 0, 1, -6], [0, 0, 0, 1]])
SHAPE = (32, 30, 28)
CENTER = np.array([0.0, -14.0, 10.0])
RADIUS = 4.0

SIZES: dict[str, Any] = {
    "condition": 8,
    **{f"{part}_widths": [4, 6] for part in ("decoder", "identity", "artifact")},
}
_QUICK: dict[str, Any] = {
    # The working grid is that of a whole head, of whose 8 million voxels a tiny image has hundreds.
    "scaling#percentile": 99.999,
    "background#radius": 1,
    # Machines differ in what is fast.
    "precision": "fp32",
    "random_weights": True,
}
NARROW: dict[str, Any] = {
    "network_def#code#theta": 4,
    "network_def#anatomy#free": 2,
    "network_def#anatomy#widths": [4, 6],
    **{f"network_def#{name}": value for name, value in SIZES.items()},
    **_QUICK,
}
NARROW_HACA3: dict[str, Any] = {
    "network_def#encoders#anatomy#base": 1,
    "network_def#decoder#base": 2,
    "network_def#target_slices": 4,
    "fusion": {"_target_": "scripts.methods.haca3.fusing.MedianFusion"},
    "weights#networks": ["@network_def"],
    **_QUICK,
}
# What narrows the network of each method that is HACA3 in some way.
_NARROW = {
    "method_haca3.json": NARROW_HACA3,
    "method_haca3plus_all_detail.json": NARROW,
    "method_haca3plus_without_detail.json": NARROW,
}


def narrow_network() -> HarmonizationNet:
    """The default network as `NARROW` makes it."""
    return HarmonizationNet(CodeSizes(theta=4), AnatomySizes(free=2, widths=(4, 6)), **SIZES)


def narrow_haca3() -> Haca3:
    """That of configs/method_haca3.json as `NARROW_HACA3` makes it; how it attends to sources adds no weights."""
    return own_haca3_plus(anatomy_base=1, target_slices=4)


def write_ball(path: Path, seed: int, gain: float = 100.0, affine: np.ndarray = AFFINE) -> Path:
    """A ball of two tissues with noise, at the same place and of the same size in mm on any grid of `SHAPE`."""
    places = np.einsum("ij,jxyz->ixyz", affine[:3, :3], np.indices(SHAPE)) + affine[:3, 3, None, None, None]
    distance = np.linalg.norm(places - CENTER[:, None, None, None], axis=0)
    tissue = np.where(distance < RADIUS / 2, 2.5, 2.0) + np.random.default_rng(seed).uniform(0, 0.5, SHAPE)
    return write_image(path, gain * tissue * (distance < RADIUS), affine)


def write_image(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    """Write voxels as float32, qform and sform with the code of scanner space."""
    image = nibabel.Nifti1Image(voxels.astype(np.float32), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def harmonize(output_dir: Path, *overlays: str, **overrides: Any) -> Path:
    """Run configs/inference.json with `overlays` on it; return `output_dir`.

    The network is a narrow one, of the default or of HACA3, unless an overlay brings another method, and images lie in
    MNI152 space. Overrides that are None are left out.
    """
    files = [str(BUNDLE / "configs" / name) for name in ("inference.json", *overlays)]
    methods = [name for name in overlays if name.startswith("method_")]
    network = _NARROW.get(methods[-1], {}) if methods else NARROW
    general = {"bundle_root": str(BUNDLE), "output_dir": str(output_dir), "device": "cpu", "registration": "none"}
    given = {**general, **network, **overrides}
    monai.bundle.run(config_file=files, **{key: value for key, value in given.items() if value is not None})
    return output_dir
