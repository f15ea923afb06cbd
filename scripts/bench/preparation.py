"""Measures the way of a raw subject to the networks, and back: `python -m scripts.bench.preparation`.

The subject is a simulated person with the whole head, each of whose scans was turned and shifted in the scanner; their
table goes to docs/validation/performance.md. That of files of one's own is printed:

    python -m scripts.bench.preparation --t1w sub-01_T1w.nii.gz --flair sub-01_FLAIR.nii.gz

Every part is that of configs/inference.json for raw scans. What is read once in a process, the template and ITK, comes
before the clock starts.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import nibabel
import numpy as np
import torch
from monai.bundle import ConfigParser

from ..base.contrasts import BIDS_SUFFIX, CONTRASTS
from ..base.markdown_table import markdown_table
from ..images.grid import GRID_AFFINE
from ..images.nifti import NativeImage, read_image, write_like
from ..images.resampling import IDENTITY, to_native_grid, using_itk
from ..images.sources import Correction, choose_reference, read_images, stack_images
from ..registration.alignment import Alignment
from ..registration.rigid import Registered, RigidRegistration
from ..registration.template import TemplateBrain, load_template_brain
from .inference import Clock
from .known_motions import random_motions
from .performance import BUNDLE, describe_machine, turns_of, write_phantom, write_section

_SCANNER_CODE = 1


@dataclass(frozen=True)
class Preparation:
    """What configs/inference.json does with images before networks see them."""

    corrections: Sequence[Correction]
    alignment: Alignment
    transform: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class TimedRegistration:
    """A registration whose seconds are counted by what an image is registered to."""

    registration: RigidRegistration
    clock: Clock

    def __call__(self, fixed: Any, moving: Any, region: np.ndarray, **options: Any) -> Registered:
        """Register."""
        to = "the template" if isinstance(fixed, TemplateBrain) else "another contrast"
        with self.clock.stage(f"register to {to}"):
            return self.registration(fixed, moving, region, **options)


def of_raw_scans() -> Preparation:
    """That of scans which are all taken for raw."""
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    parser.update({"registration": "rigid", "correct_bias": True})
    return Preparation(*(parser.get_parsed_content(key) for key in ("corrections", "alignment", "preprocessing")))


def write_raw_head(folder: Path) -> dict[str, Path]:
    """The sources of a simulated person, each as if turned and shifted in the scanner."""
    write_phantom(folder, head=True)
    paths = {contrast: folder / f"{contrast}.nii.gz" for contrast in CONTRASTS}
    paths = {contrast: path for contrast, path in paths.items() if path.exists()}
    for path, motion in zip(paths.values(), random_motions(len(paths), seed=1), strict=True):
        image = read_image(path)
        image.header.set_sform(motion @ GRID_AFFINE, _SCANNER_CODE)
        image.header.set_qform(motion @ GRID_AFFINE, _SCANNER_CODE)
        write_like(path, image.voxels, image, "raw phantom")
    return paths


def measure(paths: Mapping[str, Path], preparation: Preparation, result: Path) -> dict[str, float]:
    """Seconds of each part in the order of a run; what comes back, and is written to `result`, is a source."""
    clock = Clock()
    with clock.stage("read"):
        images = read_images(paths)
    for correct in preparation.corrections:
        with clock.stage("correct bias (N4)"):
            images = {contrast: correct(image) for contrast, image in images.items()}
    # Anything will do that registers.
    registration: Any = TimedRegistration(preparation.alignment.registration, clock)
    to_mni = replace(preparation.alignment, registration=registration)(images).to_mni
    with clock.stage("interpolate to the networks' grid"):
        stack = stack_images(images, to_mni)
    with clock.stage("scale, remove background"):
        available = torch.tensor([contrast in images for contrast in CONTRASTS])
        image = preparation.transform({"image": torch.from_numpy(stack), "available": available})["image"]
    reference = choose_reference(images, "t1w")
    with clock.stage("back to the native grid, write"):
        volume = image[CONTRASTS.index(reference)].numpy(force=True)
        native = to_native_grid(volume, images[reference], to_mni.get(reference, IDENTITY))
        write_like(result, native.voxels, images[reference], "bench")
    return clock.stages


def compare(paths: Mapping[str, Path], preparation: Preparation, repeats: int) -> str:
    """Markdown: the grids, and the median seconds of each part and of all."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [measure(paths, preparation, Path(folder) / "result.nii.gz") for _ in range(repeats)]
    rows = [(part, f"{median(run[part] for run in runs):.1f}") for part in runs[0]]
    rows.append(("all", f"{median(sum(run.values()) for run in runs):.1f}"))
    grids = [f"{BIDS_SUFFIX[contrast]} {_grid(read_image(path))}" for contrast, path in paths.items()]
    about = f"{describe_machine()}; {', '.join(grids)}; {turns_of(repeats)}."
    return "\n".join([about, "", markdown_table(["part", "seconds"], rows)])


def _grid(image: NativeImage) -> str:
    """Voxels and their size."""
    sizes = nibabel.affines.voxel_sizes(image.affine)
    return f"{' x '.join(map(str, image.voxels.shape))} of {' x '.join(f'{size:.3g}' for size in sizes)} mm"


def main() -> None:
    """Measure, and rewrite the section of docs/validation/performance.md, or print the table of given files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    for contrast in CONTRASTS:
        parser.add_argument(f"--{contrast}", type=Path, help=f"a raw {BIDS_SUFFIX[contrast]} image of one's own")
    options = parser.parse_args()
    given = {contrast: path for contrast in CONTRASTS if (path := getattr(options, contrast)) is not None}
    preparation = of_raw_scans()
    load_template_brain(preparation.alignment.rim_mm)
    with using_itk():
        pass
    if given:
        print(compare(given, preparation, options.repeats))
        return
    with tempfile.TemporaryDirectory() as folder:
        table = compare(write_raw_head(Path(folder)), preparation, options.repeats)
    write_section(f"### a raw head, and back\n\n{table}")


if __name__ == "__main__":
    main()
