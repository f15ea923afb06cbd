"""The five kinds of simulated artifact, each on top of TorchIO's deterministic transform.

Every kind draws and applies apart: `draw` turns one physical strength and a random generator into arguments that JSON
can hold, `apply` needs nothing but these arguments. Images are (C, X, Y, Z); a slice is (C, H, W, 1), and then all
axes that are drawn lie in its plane. `identity` is the strength that changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
import torchio

from ..base.errors import InputError

Arguments = dict[str, Any]


class ArtifactKind(Protocol):
    """What the calibration and the drawing know of a kind."""

    identity: ClassVar[float]

    def draw(self, strength: float, generator: np.random.Generator, spatial_dims: int) -> Arguments:
        """Draw everything that `apply` needs beside the image, which has 2 or 3 `spatial_dims`."""
        ...

    @staticmethod
    def apply(image: torch.Tensor, *args: Any, **arguments: Any) -> torch.Tensor:
        """Return the degraded image."""
        ...


@dataclass(frozen=True)
class Noise:
    """White Gaussian noise; the strength is its standard deviation."""

    identity: ClassVar[float] = 0.0

    def draw(self, strength: float, generator: np.random.Generator, spatial_dims: int) -> Arguments:
        """Draw the seed of the noise."""
        return {"std": strength, "seed": int(generator.integers(2**31))}

    @staticmethod
    def apply(image: torch.Tensor, std: float, seed: int) -> torch.Tensor:
        """Add the noise that belongs to `seed`."""
        return torchio.Noise(mean=0.0, std=std, seed=seed)(image)


@dataclass(frozen=True)
class Ghosting:
    """Shifted copies of the image along one axis.

    A comb of every n-th k-space line, scaled by 1 - intensity, gives n copies of weight intensity / n, whose energy is
    intensity^2 / n. The strength is the root of that energy, so few strong and many weak ghosts weigh the same.
    """

    identity: ClassVar[float] = 0.0
    fewest_ghosts: int = 2
    most_ghosts: int = 10

    def draw(self, strength: float, generator: np.random.Generator, spatial_dims: int) -> Arguments:
        """Draw the number of ghosts and the phase-encoding axis."""
        num_ghosts = int(generator.integers(self.fewest_ghosts, self.most_ghosts + 1))
        axis = int(generator.integers(spatial_dims))
        return {"num_ghosts": num_ghosts, "axis": axis, "intensity": strength * num_ghosts**0.5}

    @staticmethod
    def apply(image: torch.Tensor, num_ghosts: int, axis: int, intensity: float) -> torch.Tensor:
        """Scale the comb of lines; the line through the centre of k-space stays as it was."""
        return torchio.Ghosting(num_ghosts=num_ghosts, axis=axis, intensity=intensity, restore=None)(image)


@dataclass(frozen=True)
class BiasField:
    """Multiplication by exp(polynomial); the strength is the standard deviation of the polynomial where the head is.

    The head is taken as a ball around the centre whose radius is `head_radius` times half of the field of view. Over it
    the polynomial has mean 0: a mere gain is no bias field. Terms of degree d are drawn with a weight of `decay`^d,
    which keeps high powers from exploding towards the corners.
    """

    identity: ClassVar[float] = 0.0
    order: int = 3
    decay: float = 0.5
    head_radius: float = 1.0
    samples_per_axis: int = 24

    def draw(self, strength: float, generator: np.random.Generator, spatial_dims: int) -> Arguments:
        """Draw the direction of the coefficients, then scale them to the strength."""
        powers = range(self.order + 1)
        degrees = [x + y + z for x in powers for y in powers for z in powers if x + y + z <= self.order]
        coefficients = generator.uniform(-1.0, 1.0, len(degrees)) * self.decay ** np.array(degrees)
        log_field = self._log_field_in_head(coefficients, spatial_dims)
        coefficients[0] -= log_field.mean()
        return {"coefficients": (coefficients * strength / log_field.std()).tolist(), "order": self.order}

    def _log_field_in_head(self, coefficients: np.ndarray, spatial_dims: int) -> np.ndarray:
        shape = (self.samples_per_axis,) * spatial_dims + (1,) * (3 - spatial_dims)
        field = torchio.BiasField.generate_bias_field(np.empty((1, *shape)), self.order, coefficients.tolist())
        position = (np.arange(self.samples_per_axis) + 0.5) / self.samples_per_axis * 2.0 - 1.0
        radius = np.linalg.norm(np.meshgrid(*[position] * spatial_dims, indexing="ij"), axis=0)
        return np.log(field.reshape(radius.shape)[radius <= self.head_radius])

    @staticmethod
    def apply(image: torch.Tensor, coefficients: list[float], order: int) -> torch.Tensor:
        """Multiply by the field."""
        return torchio.BiasField(coefficients=coefficients, order=order)(image)


@dataclass(frozen=True)
class Anisotropy:
    """Thick slices along one axis, interpolated back; the strength is the thickness in voxels.

    A thick slice averages over its thickness, it does not sample a point; hence the Gaussian slice profile, whose full
    width at half maximum is the thickness (TorchIO's `RandomAnisotropy` samples the nearest voxel). Interpolating onto
    another grid and back costs some sharpness even where the slices are hardly thicker than a voxel.
    """

    identity: ClassVar[float] = 1.0

    def draw(self, strength: float, generator: np.random.Generator, spatial_dims: int) -> Arguments:
        """Draw the axis across the thick slices."""
        return {"axis": int(generator.integers(spatial_dims)), "thickness": strength}

    @staticmethod
    def apply(image: torch.Tensor, axis: int, thickness: float) -> torch.Tensor:
        """Blur, downsample and upsample along `axis`."""
        volume = torchio.ScalarImage(tensor=image)
        # The variance of a Gaussian whose full width at half maximum is 1 voxel is 1 / (8 ln 2).
        profile = float(np.sqrt((thickness**2 - 1.0) / (8.0 * np.log(2.0))))
        blurred = torchio.Blur(_along(axis, profile, elsewhere=0.0))(volume)
        thick = torchio.Resample(_along(axis, thickness, elsewhere=1.0))(blurred)
        return torchio.Resample((volume.spatial_shape, volume.affine))(thick).data


@dataclass(frozen=True)
class Motion:
    """Sudden movements while k-space is filled along one axis.

    The strength is the size of every movement, in degrees of rotation and in voxels of translation alike. The centre of
    k-space is acquired in the original position, so the head as a whole stays in its place.
    """

    identity: ClassVar[float] = 0.0
    movements: int = 10
    timing_jitter: float = 0.3

    def draw(self, strength: float, generator: np.random.Generator, spatial_dims: int) -> Arguments:
        """Draw the times of the movements (between 0 and 1) and their directions."""
        step = 1.0 / (self.movements + 1)
        jitter = generator.uniform(-self.timing_jitter, self.timing_jitter, self.movements)
        rotations = np.zeros((self.movements, 3))
        translations = np.zeros((self.movements, 3))
        if spatial_dims == 2:
            rotations[:, 2] = generator.choice([-1.0, 1.0], self.movements)
        else:
            rotations[:] = _unit_vectors(generator, self.movements, 3)
        translations[:, :spatial_dims] = _unit_vectors(generator, self.movements, spatial_dims)
        return {
            "axis": int(generator.integers(spatial_dims)),
            "times": ((np.arange(1, self.movements + 1) + jitter) * step).tolist(),
            "degrees": (rotations * strength).tolist(),
            "translations": (translations * strength).tolist(),
        }

    @staticmethod
    def apply(
        image: torch.Tensor,
        axis: int,
        times: list[float],
        degrees: list[list[float]],
        translations: list[list[float]],
    ) -> torch.Tensor:
        """Put k-space together from the spectra of all positions."""
        # TorchIO fills k-space along the last axis and turns about the origin of the coordinates: the phase-encoding
        # axis goes last, and the origin into the middle of the image.
        order = [other for other in range(3) if other != axis] + [axis]
        turned = image.permute(0, *(1 + other for other in order))
        affine = np.eye(4)
        affine[:3, 3] = [-(length - 1) / 2 for length in turned.shape[1:]]
        moved = torchio.Motion(
            degrees=np.asarray(degrees)[:, order],
            translation=np.asarray(translations)[:, order],
            times=np.asarray(times),
            image_interpolation="linear",
        )(torchio.ScalarImage(tensor=turned, affine=affine)).data
        return moved.permute(0, *(1 + order.index(own) for own in range(3)))


def _along(axis: int, value: float, elsewhere: float) -> tuple[float, float, float]:
    x, y, z = (value if own == axis else elsewhere for own in range(3))
    return x, y, z


def _unit_vectors(generator: np.random.Generator, count: int, length: int) -> np.ndarray:
    vectors = generator.normal(size=(count, length))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


KINDS: dict[str, type[ArtifactKind]] = {
    "noise": Noise,
    "ghosting": Ghosting,
    "bias_field": BiasField,
    "anisotropy": Anisotropy,
    "motion": Motion,
}


def check_kind(name: str) -> None:
    """Refuse what is not the name of a kind."""
    if name not in KINDS:
        raise InputError(f"artifact `kind` must be one of {', '.join(KINDS)}, got {name!r}")


def build_kind(name: str, settings: Mapping[str, Any]) -> ArtifactKind:
    """Return the kind of that name with its settings; refuse unknown ones."""
    check_kind(name)
    try:
        return KINDS[name](**settings)
    except TypeError as error:
        raise InputError(f"`settings` of artifact kind {name} must be arguments of it: {error}") from error
