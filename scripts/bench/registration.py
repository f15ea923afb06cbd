"""Compares ways to register rigidly, from many starts whose truth is known: `python -m scripts.bench.registration`.

The scans are those of simulated people with whole heads: other contrasts, of the same session and of one on another
scanner, are registered to the T1w of the first. The bundle's own way is compared with elastix and ANTs, as the packages
set themselves up, but started where centers of mass meet and looking at the brain alone as ours does. Both come with
environments/registration.txt, which does not go with the other requirements.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from monai.bundle import ConfigParser
from monai.utils import optional_import

from ..base.markdown_table import markdown_table
from ..images.grid import GRID_AFFINE
from ..registration.rigid import RigidRegistration
from ..registration.transform_file import LPS
from ..training.phantom_scans import PhantomScans
from .known_motions import Placed, furthest, random_motions
from .simulation import DESIGNS_FILE

BUNDLE = Path(__file__).parents[2]
WITHIN_MM = 1.0


@dataclass(frozen=True, eq=False)
class Example:
    """Two images, `points` (3, N) in the brain of the `fixed` one, whose mask is `brain`, and where the motion is known
    to take them in the world of the `moving` one."""

    fixed: Placed
    moving: Placed
    brain: np.ndarray
    points: np.ndarray
    motion: np.ndarray


Way = Callable[[Example], np.ndarray]


def examples(people: int, starts: int, seed: int = 3) -> Iterator[Example]:
    """`starts` for each person."""
    designs = json.loads(DESIGNS_FILE.read_text())["designs"]
    treat = {**designs["treat"], "head_share": 1.0}
    heads = PhantomScans({"treat": treat}, cohort="treat", subjects=people, scanners_per_subject=2, seed=seed)
    for number, visits in enumerate(heads.people(1, 1)):
        first, second = visits
        brain = first.mask.numpy()
        points = GRID_AFFINE[:3, :3] @ np.argwhere(brain)[::50].T + GRID_AFFINE[:3, 3:]
        fixed = Placed(first.volumes[0].numpy(), GRID_AFFINE)
        scans = [*first.volumes[1:], *second.volumes]
        for scan, motion in zip(cycle(scans), random_motions(starts, seed=number), strict=False):
            yield Example(fixed, Placed(scan.numpy(), motion @ GRID_AFFINE), brain, points, motion)


def ours() -> Way:
    """The registration of inference.json."""
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    registration: RigidRegistration = parser.get_parsed_content("alignment").registration
    return lambda example: registration(example.fixed, example.moving, example.points).matrix


def elastix() -> Way:
    """Its map of rigid parameters, Mattes mutual information in four resolutions."""
    import itk

    parameters = itk.ParameterObject.New()
    rigid = parameters.GetDefaultParameterMap("rigid", 4)
    rigid["AutomaticTransformInitialization"] = ["true"]
    rigid["AutomaticTransformInitializationMethod"] = ["CenterOfGravity"]
    parameters.AddParameterMap(rigid)

    def image_of(volume: Placed) -> Any:
        image = itk.image_from_array(np.ascontiguousarray(volume.voxels.T))
        spacing, direction, origin = _geometry(volume.affine)
        image.SetSpacing(spacing)
        image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(direction)))
        image.SetOrigin(origin)
        return image

    def register(example: Example) -> np.ndarray:
        fixed, moving = image_of(example.fixed), image_of(example.moving)
        mask = image_of(Placed(example.brain.astype(np.uint8), example.fixed.affine))
        _, found = itk.elastix_registration_method(fixed, moving, parameter_object=parameters, fixed_mask=mask)
        result = found.GetParameterMap(0)
        transform = itk.Euler3DTransform[itk.D].New()
        transform.SetCenter([float(number) for number in result["CenterOfRotationPoint"]])
        numbers = itk.OptimizerParameters[itk.D](6)
        for place, number in enumerate(result["TransformParameters"]):
            numbers[place] = float(number)
        transform.SetParameters(numbers)
        return _matrix(lambda point: np.array(transform.TransformPoint(point.tolist())))

    return register


def ants() -> Way:
    """`ants.registration` of type Rigid, Mattes mutual information in its own resolutions."""
    ants, _ = optional_import("ants")

    def image_of(volume: Placed) -> Any:
        spacing, direction, origin = _geometry(volume.affine)
        return ants.from_numpy(volume.voxels.astype(np.float32), origin=origin, spacing=spacing, direction=direction)

    def register(example: Example) -> np.ndarray:
        fixed, moving = image_of(example.fixed), image_of(example.moving)
        mask = image_of(Placed(example.brain, example.fixed.affine))
        found = ants.registration(fixed, moving, type_of_transform="Rigid", mask=mask)
        transform = ants.read_transform(found["fwdtransforms"][0])
        return _matrix(lambda point: np.array(ants.apply_ants_transform_to_point(transform, point.tolist())))

    return register


WAYS: Mapping[str, Callable[[], Way]] = {"ours": ours, "elastix": elastix, "ants": ants}


def _geometry(affine: np.ndarray) -> tuple[list[float], np.ndarray, list[float]]:
    """Spacing, direction and origin in ITK's world."""
    world = LPS @ affine
    spacing = np.linalg.norm(world[:3, :3], axis=0)
    return spacing.tolist(), world[:3, :3] / spacing, world[:3, 3].tolist()


def _matrix(transform: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The matrix (4, 4) in NIfTI's world of a rigid transform of points in ITK's."""
    origin = transform(np.zeros(3))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([transform(axis) - origin for axis in np.eye(3)], axis=1)
    matrix[:3, 3] = origin
    return LPS @ matrix @ LPS


def compare(ways: Mapping[str, Way], people: int, starts: int) -> str:
    """Markdown: how far each way ends from the truth anywhere in the brain, and how long it takes."""
    errors: dict[str, list[float]] = {name: [] for name in ways}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for example in examples(people, starts):
        for name, way in ways.items():
            start = perf_counter()
            matrix = way(example)
            seconds[name].append(perf_counter() - start)
            errors[name].append(furthest(matrix, example.motion, example.points))
            print(f"{name}: {errors[name][-1]:.2f} mm in {seconds[name][-1]:.1f} s", flush=True)
    header = ["way", "starts", f"within {WITHIN_MM:g} mm", "median error (mm)", "worst (mm)", "median seconds"]
    rows = [
        (
            name,
            str(len(found)),
            f"{sum(error <= WITHIN_MM for error in found)}",
            f"{median(found):.2f}",
            f"{max(found):.1f}",
            f"{median(seconds[name]):.1f}",
        )
        for name, found in errors.items()
    ]
    return markdown_table(header, rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["ours"])
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--starts", type=int, default=25, help="of each person")
    arguments = parser.parse_args()
    print(compare({name: WAYS[name]() for name in arguments.ways}, arguments.people, arguments.starts))


if __name__ == "__main__":
    main()
