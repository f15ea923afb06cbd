"""Rendered once for all tests, as a person on the full grid takes seconds: an elderly one with many lesions."""

from dataclasses import replace

import numpy as np
import pytest

from scripts.phantom.acquisition import acquire
from scripts.phantom.scanner import Protocol, Scanner
from scripts.phantom.subject import Subject, draw_subject, render_subject

SEED, AGE, LESION_LOAD = 14, 65, 0.6

# A plain 3 T scanner: every protocol deviates from this one in what makes its contrast.
COMMON = {
    "inversion_time": None,
    "flip_angle": 90.0,
    "echo_train_length": 1,
    "echo_spacing": 0.0,
    "acquisition": "3D",
    "slice_axis": 0,
    "in_plane_mm": 1.0,
    "slice_mm": 1.0,
    "apodization": 0.3,
    "sharpening": 0.0,
    "noise": 0.03,
    "bias_strength": 0.0,
    "transmit_spread": 0.0,
    "gain": 1.0,
    "magnetization_transfer": 0.0,
    "misalignment_mm": 0.0,
    "misalignment_deg": 0.0,
    "distortion_mm": 0.0,
}
MPRAGE = {
    "sequence": "mprage",
    "repetition_time": 2.3,
    "echo_time": 0.003,
    "inversion_time": 0.9,
    "flip_angle": 9.0,
    "echo_train_length": 176,
    "echo_spacing": 0.007,
}
PROTOCOLS = {
    "t1w": MPRAGE,
    "t2w": {"sequence": "tse", "repetition_time": 4.0, "echo_time": 0.1},
    "pd": {"sequence": "tse", "repetition_time": 3.0, "echo_time": 0.015},
    "flair": {"sequence": "flair", "repetition_time": 8.0, "echo_time": 0.12, "inversion_time": 2.35},
}


def make_scanner(contrast: str, seed: int = 5, **changes) -> Scanner:
    """A scanner of one contrast; `changes` are parameters of its protocol."""
    protocol = Protocol(contrast=contrast, **{**COMMON, **PROTOCOLS[contrast], **changes})
    return Scanner("A", "S", "Siemens", 3.0, seed, {contrast: protocol})


@pytest.fixture(scope="session")
def patient() -> Subject:
    return render_subject(draw_subject(SEED, AGE, LESION_LOAD))


@pytest.fixture(scope="session")
def whole_head(patient: Subject) -> Subject:
    """The same person with the head around the brain."""
    return render_subject(replace(patient.parameters, head=True))


@pytest.fixture(scope="session")
def images(patient: Subject) -> dict[str, np.ndarray]:
    """One image of each contrast."""
    return {contrast: acquire(patient, make_scanner(contrast), contrast, 1) for contrast in PROTOCOLS}


@pytest.fixture(scope="session")
def head_images(whole_head: Subject) -> dict[str, np.ndarray]:
    """T1w and T2w images of the whole head."""
    return {contrast: acquire(whole_head, make_scanner(contrast), contrast, 1) for contrast in ("t1w", "t2w")}
