"""One image of one subject by one scanner: physics first, then everything the scanner does to it."""

import math

import numpy as np
import torch

from ..images.grid import GRID_SHAPE
from .deformation import identity, sample
from .fields import seeded, smooth_field
from .kspace import acquire_matrix, slice_profile
from .model import pattern_model, tissue_table
from .scanner import Protocol, Scanner
from .sequences import SEQUENCES
from .subject import Subject

_CONTRAST_STREAM = {"t1w": 1, "t2w": 2, "pd": 3, "flair": 4}


def acquire(subject: Subject, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
    """Return the image (X, Y, Z), float32 and non-negative; without a head its background is exactly 0.

    What belongs to the scanner (field patterns, distortion) follows from the scanner's seed and is the same at every
    visit; noise, position and drift follow from the visit's.
    """
    protocol = scanner.protocols[contrast]
    stream = _CONTRAST_STREAM[contrast]
    fixed, visit = seeded(scanner.seed, stream), seeded(visit_seed, stream)
    signal, depth, reference = _lying(subject, scanner, scanner, contrast, fixed, visit)
    image = _resolve(signal, protocol, protocol.noise * reference, visit)
    image = image * _receive_field(protocol, fixed, visit) * protocol.gain / reference
    if not subject.parameters.head:
        image = image * _stripped(depth, visit)
    return image.clamp(min=0).numpy()


def acquire_clean(subject: Subject, scanner: Scanner, wanted: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
    """What a visit to `scanner` should look like once harmonized to the scanner `wanted`, (X, Y, Z) float32.

    It has the protocol, transmit field and resolution of `wanted`, the subject's position and the distortion of the
    visit, and neither noise nor receive field.
    """
    protocol = wanted.protocols[contrast]
    stream = _CONTRAST_STREAM[contrast]
    fixed, visit = seeded(wanted.seed, stream), seeded(visit_seed, stream)
    signal, depth, reference = _lying(subject, scanner, wanted, contrast, fixed, visit)
    image = _resolve(signal, protocol, 0.0, visit) * protocol.gain / reference
    if not subject.parameters.head:
        image = image * (depth + pattern_model()["stripping_rim_mm"] > 0)
    return image.clamp(min=0).numpy()


def _lying(
    subject: Subject,
    scanner: Scanner,
    shown_by: Scanner,
    contrast: str,
    fixed: torch.Generator,
    visit: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Signal by the protocol of `shown_by`, depth in the brain, both of the subject as it lay in `scanner`; and the
    signal's mean in white matter."""
    signal = _signal(subject, shown_by.protocols[contrast], shown_by.field_strength, fixed, visit)
    reference = signal[torch.from_numpy(subject.tissues == 3)].mean()
    coordinates = _position(scanner.protocols[contrast], seeded(scanner.seed), visit)
    signal, depth = sample(torch.cat([signal[None], subject.surface_mm[None]]), coordinates)
    return signal, depth, float(reference)


def _resolve(signal: torch.Tensor, protocol: Protocol, noise: float, visit: torch.Generator) -> torch.Tensor:
    if protocol.acquisition == "2D":
        signal = slice_profile(signal, protocol.slice_axis, protocol.slice_mm)
    return acquire_matrix(signal, _matrix(protocol), protocol.apodization, protocol.sharpening, noise, visit)


def _signal(
    subject: Subject, protocol: Protocol, field: float, fixed: torch.Generator, visit: torch.Generator
) -> torch.Tensor:
    """Noise-free signal at 1 mm: the mixture of solid tissue and fluid, each by the sequence's equation."""
    table, equation = tissue_table(), SEQUENCES[protocol.sequence]
    transmit = 1 + protocol.transmit_spread * _transmit_pattern(fixed)
    solid = subject.solid
    t1 = solid.t1 * (field / 3) ** table["t1_field_exponent"]
    t2 = solid.t2 * (field / 3) ** table["t2_field_exponent"]
    # Off-resonance saturation of a slice by its neighbours acts through macromolecules: on short T1 the most.
    kept = 1 - protocol.magnetization_transfer * torch.exp(-solid.t1)
    tissue = equation(protocol, solid.pd * kept, t1, t2, transmit)
    pd, fluid_t1, fluid_t2 = (torch.tensor(value) for value in table["fluid"])
    water = equation(protocol, pd, fluid_t1, fluid_t2, transmit)
    water = water + _flow(subject, protocol, water, visit)
    return torch.lerp(tissue, water, subject.fluid)


def _transmit_pattern(generator: torch.Generator) -> torch.Tensor:
    """Dielectric pattern: brighter in the middle, lopsided in its own way on every scanner."""
    model = pattern_model()
    axes = [torch.linspace(-1, 1, n) ** 2 for n in GRID_SHAPE]
    radius = axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
    lopsided = model["transmit_lopsided"] * smooth_field(GRID_SHAPE, model["transmit_spacing_mm"], generator)
    return 1 - model["transmit_falloff"] * radius + lopsided


def _flow(subject: Subject, protocol: Protocol, water: torch.Tensor, visit: torch.Generator) -> torch.Tensor:
    """Moving CSF: fresh, uninverted spins brighten FLAIR, dephasing darkens long spin echoes.

    Where it moves is the person's, how much it shows is the visit's.
    """
    model, shown = pattern_model(), float(torch.rand((), generator=visit))
    if protocol.sequence == "flair":
        pd, _, t2 = tissue_table()["fluid"]
        fresh = pd * math.exp(-protocol.echo_time / t2)
        return subject.moving * shown * model["flair_inflow"] * (fresh - water)
    if protocol.sequence == "tse":
        return -subject.moving * shown * model["tse_flow_void"] * water
    return torch.zeros_like(water)


def _position(protocol: Protocol, fixed: torch.Generator, visit: torch.Generator) -> torch.Tensor:
    """Voxel coordinates (3, X, Y, Z) read by each voxel: residual misalignment of the visit, scanner distortion."""
    angles = torch.deg2rad(protocol.misalignment_deg * torch.randn(3, generator=visit))
    shift = protocol.misalignment_mm * torch.randn(3, generator=visit)
    x, y, z = angles.tolist()
    rotation = torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]]))
    centre = torch.tensor([(n - 1) / 2 for n in GRID_SHAPE])[:, None, None, None]
    grid = identity(GRID_SHAPE)
    moved = torch.einsum("ij,jxyz->ixyz", rotation, grid - centre) + centre + shift[:, None, None, None]
    for axis in range(3):
        field = smooth_field(GRID_SHAPE, pattern_model()["distortion_spacing_mm"], fixed)
        moved[axis] += protocol.distortion_mm * field
    return moved


def _matrix(protocol: Protocol) -> tuple[int, int, int]:
    """Samples of k-space per axis: the field of view over the voxel size; thick 2D slices are not encoded."""
    kept = [min(n, 2 * round(n / protocol.in_plane_mm / 2)) for n in GRID_SHAPE]
    axis = protocol.slice_axis
    if protocol.acquisition == "2D":
        kept[axis] = GRID_SHAPE[axis]
    else:
        kept[axis] = min(GRID_SHAPE[axis], 2 * round(GRID_SHAPE[axis] / protocol.slice_mm / 2))
    return kept[0], kept[1], kept[2]


def _receive_field(protocol: Protocol, fixed: torch.Generator, visit: torch.Generator) -> torch.Tensor:
    """What bias correction leaves of the receive field: mostly the coil's, a little the visit's."""
    model = pattern_model()
    coil, drift = (smooth_field(GRID_SHAPE, model["receive_spacing_mm"], source) for source in (fixed, visit))
    return torch.exp(protocol.bias_strength * (coil + model["receive_drift"] * drift))


def _stripped(depth: torch.Tensor, visit: torch.Generator) -> torch.Tensor:
    """Brain extraction keeps a thin rim of fluid and is never twice the same."""
    model = pattern_model()
    wobble = model["stripping_spread_mm"] * smooth_field(GRID_SHAPE, model["stripping_spacing_mm"], visit)
    return (depth + model["stripping_rim_mm"] + wobble > 0).float()
