"""Scanners as tables of numbers: what a batch of slices needs to know of each of its scanners."""

from dataclasses import dataclass, fields

import numpy as np

from ..phantom.model import tissue_table

KINDS = ("realistic", "wide", "classes")
FAMILIES = ("mprage", "spgr", "se", "flair", "classes")
"""Of signal equations; `tse` has that of `se`, and `classes` none."""

Array = np.ndarray


@dataclass(frozen=True)
class ScannerTable:
    """S scanners; arrays are (S, 4), by contrast, unless said otherwise. Units are those of `scanner.Protocol`."""

    kind: Array
    """(S,), place in `KINDS`."""
    family: Array
    field_strength: Array
    """(S,), in tesla."""
    repetition_time: Array
    echo_time: Array
    inversion_time: Array
    flip_angle: Array
    echo_train_length: Array
    echo_spacing: Array
    thick: Array
    """Whether slices are excited one by one, so that their thickness averages signal."""
    slice_axis: Array
    in_plane_mm: Array
    slice_mm: Array
    apodization: Array
    sharpening: Array
    noise: Array
    bias_strength: Array
    transmit_spread: Array
    magnetization_transfer: Array
    misalignment_mm: Array
    tissue_shift: Array
    """(S, 6, 3): what is added to the logarithms of PD, T1 and T2 of each tissue."""
    brightness: Array
    """(S, 4, 6): of each tissue, for the family `classes`."""
    texture: Array
    """(S, 4, 2): by how much log brightness follows log T1 and log T2 in that family."""
    gamma: Array
    shoulder: Array
    """How much of the curve of intensities is bent towards saturation."""
    receive: Array
    """(S, 4, 4, 4, 4): weights of cosines along x, y and z, of the receive field; of unit variance."""
    transmit: Array
    """(S, 4, 4, 4): the same of the transmit field, which all contrasts share."""

    def take(self, rows: Array | slice) -> "ScannerTable":
        """Some of the scanners."""
        return ScannerTable(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def __len__(self) -> int:
        return len(self.kind)


def tissue_values() -> Array:
    """PD, T1 and T2 of the tissues (6, 3) at 3 T, as the table has them."""
    table = tissue_table()
    grey, white = table["grey"], table["white"]
    brain = [table["fluid"], grey["cerebrum_gm"], white["cerebral_wm"], grey["thalamus"], table["lesion"]]
    return np.array([*brain, table["muscle"]])
