"""Finds the strength of every artifact kind for which severity means loss of SSIM, and stores it as data."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.text_files import write_json
from ..metrics.ssim import windowed_ssim
from .calibration import Calibration, Curve, load_calibration
from .degrade import apply_artifact, draw_artifact
from .kinds import KINDS, build_kind


def calibrate_artifacts(
    output_file: Path | str,
    clean_slices: Iterable[np.ndarray],
    kinds: Mapping[str, Mapping[str, Any]],
    max_ssim_loss: float,
    knots: int,
    draws: int,
    seed: int,
) -> None:
    """Write the calibration: `knots` steps of severity, severity s being a mean SSIM loss of s * `max_ssim_loss`.

    `kinds` holds, per kind, the `settings` of its drawing and the rising `strengths` at which the loss is measured,
    over all slices (H, W) and `draws` draws for each.
    """
    if not 0.0 < max_ssim_loss < 1.0:
        raise InputError(f"`max_ssim_loss` must be between 0 and 1, got {max_ssim_loss}")
    if min(knots, draws) < 1:
        raise InputError(f"`knots` and `draws` must be at least 1, got {knots} and {draws}")
    grids = {name: _grid(name, content) for name, content in kinds.items()}
    slices = _checked(clean_slices)
    severities = np.linspace(0.0, 1.0, knots + 1)
    content: dict[str, Any] = {}
    for name, grid in grids.items():
        losses = ssim_losses(grids, name, grid.severities[1:], slices, draws, seed).mean(axis=(1, 2))
        measured = {"strengths": list(grid.strengths), "ssim_losses": _tidy([0.0, *losses])}
        strengths = invert(name, measured["strengths"], measured["ssim_losses"], severities * max_ssim_loss)
        content[name] = {
            "settings": dict(kinds[name]["settings"]),
            "severities": _tidy(severities),
            "strengths": _tidy(strengths),
            "measured": measured,
        }
    write_json(output_file, {"max_ssim_loss": max_ssim_loss, "kinds": content})


def ssim_losses(
    calibration: Calibration,
    kind: str,
    severities: Sequence[float],
    slices: Sequence[np.ndarray],
    draws: int,
    seed: int,
) -> np.ndarray:
    """Loss of SSIM to the clean slice (severities, slices, draws).

    Formula: 1 - mean SSIM inside the foreground, the project's windowed SSIM with data range 1. Range: 0 to 2; lower is
    better. All severities meet the same draws, so that a curve shows the severity and not the chance.
    """

    def loss(severity: float, index: int, draw: int) -> float:
        clean = slices[index]
        parameters = draw_artifact(kind, severity, np.random.default_rng([seed, index, draw]), calibration)
        degraded = np.asarray(apply_artifact(clean[None], parameters))[0]
        return 1.0 - windowed_ssim(degraded, clean, clean > 0).value

    return np.array([[[loss(s, i, d) for d in range(draws)] for i in range(len(slices))] for s in severities])


def invert(name: str, strengths: Sequence[float], losses: Sequence[float], wanted: np.ndarray) -> np.ndarray:
    """Strengths at which the piecewise linear curve through the measured points first reaches the wanted losses."""
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(losses)) > 0])
    reached = np.asarray(losses)[rising]
    if reached[-1] < wanted[-1]:
        raise InputError(
            f"`strengths` of artifact kind {name} must reach an SSIM loss of {wanted[-1]:g}, they reach {reached[-1]:g}"
        )
    return np.interp(wanted, reached, np.asarray(strengths)[rising])


def print_ssim_losses(
    calibration_file: Path | str, clean_slices: Iterable[np.ndarray], severities: Sequence[float], draws: int, seed: int
) -> None:
    """Print mean and standard deviation of the SSIM loss over other slices and draws, per kind and severity."""
    calibration = load_calibration(calibration_file)
    slices = _checked(clean_slices)
    print("severity    " + "".join(f"{severity:>15g}" for severity in severities))
    for name in calibration:
        losses = ssim_losses(calibration, name, severities, slices, draws, seed)
        print(f"{name:<12}" + "".join(f"{values.mean():>8.3f} ±{values.std():.3f}" for values in losses))


def _grid(name: str, content: Mapping[str, Any]) -> Curve:
    """The strengths to measure as the curve of a not yet calibrated severity."""
    if set(content) != {"settings", "strengths"}:
        raise InputError(f"`kinds` must hold settings and strengths of {name}, got {', '.join(content)}")
    kind = build_kind(name, content["settings"])
    values = [KINDS[name].identity, *content["strengths"]]
    if len(values) < 2 or not np.all(np.diff(values) > 0):
        raise InputError(f"`strengths` of artifact kind {name} must rise from above {values[0]:g}, got {values[1:]}")
    return Curve(kind, np.linspace(0.0, 1.0, len(values)).tolist(), values)


def _checked(clean_slices: Iterable[np.ndarray]) -> list[np.ndarray]:
    slices = list(clean_slices)
    if not slices:
        raise InputError("`clean_slices` must hold at least one slice, it is empty")
    for index, clean in enumerate(slices):
        if clean.ndim != 2 or not np.isfinite(clean).all() or not (clean > 0).any():
            raise InputError(f"`clean_slices` must be 2D, finite and not empty, number {index} is not: {clean.shape}")
    return slices


def _tidy(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
