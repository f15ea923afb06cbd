"""Prints how much two scans ask to be changed into each other, within one scanner and between scanners.

    python -m monai.bundle run --config_file "['configs/inference.json', 'configs/encode.json']" \\
        --dataset_dir output/unpaired/cohort --output_dir output/unpaired/codes
    python -m scripts.bench.people_apart output/unpaired/codes --cohort output/unpaired/cohort

The first command writes the code files that the second one reads. Each scan is taken as a source whose target is each
other person's scan of the same contrast; without `--cohort` all scans count as of one scanner. What is given is `apart`
of Eq. (13) of HACA3+, by which the default decides whether the contrast of an image is changed at all.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import torch

from ..base.contrasts import BIDS_SUFFIX
from ..base.errors import InputError
from ..base.markdown_table import markdown_table
from ..images.bids_cohort import read_cohort
from ..methods.haca3plus.tissue_levels import Brightness, weigh

_MARK = "_desc-code"
_QUANTILES = (0.1, 0.5, 0.9, 0.95)


@dataclass(frozen=True)
class EncodedScan:
    """What the code of a scan says of its brightness."""

    subject: str
    scanner: str
    contrast: str
    brightness: Brightness


def read_scans(folder: Path, scanners: Mapping[str, str]) -> list[EncodedScan]:
    """All code files below a folder; `scanners` are those of images by their name without suffix."""
    scans = []
    for path in sorted(folder.rglob(f"*{_MARK}_*.json")):
        code = json.loads(path.read_text(encoding="utf-8"))
        numbers = Brightness(*(torch.tensor([code[name]]) for name in Brightness._fields))
        name = path.name.replace(_MARK, "").removesuffix(".json")
        scans.append(EncodedScan(name.split("_")[0], scanners.get(name, ""), code["contrast"], numbers))
    if len(scans) < 2:
        raise InputError(f"at least two code files are needed, {folder} has {len(scans)}")
    return scans


def apart(source: EncodedScan, target: EncodedScan) -> float:
    """How much the target asks of the source."""
    return float(weigh(source.brightness, target.brightness).apart)


def table(scans: Sequence[EncodedScan]) -> str:
    """A line for each contrast, within scanners and between them."""
    found: dict[tuple[str, str], list[float]] = {}
    for source, target in permutations(scans, 2):
        if source.contrast == target.contrast and source.subject != target.subject:
            pairs = "of one scanner" if source.scanner == target.scanner else "of two scanners"
            found.setdefault((BIDS_SUFFIX[source.contrast], pairs), []).append(apart(source, target))
    lines = [
        [*group, str(len(values)), *(f"{value:.3f}" for value in np.quantile(values, _QUANTILES))]
        for group, values in sorted(found.items())
    ]
    heads = ["contrast", "scans of two people", "pairs", *(f"{share:.0%}" for share in _QUANTILES)]
    return markdown_table(heads, lines, 2)


def main(words: Sequence[str] | None = None) -> str:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codes", type=Path)
    parser.add_argument("--cohort")
    given = parser.parse_args(words)
    images = read_cohort(given.cohort) if given.cohort else []
    scanners = {image.path.name.removesuffix(".nii.gz"): image.scanner for image in images}
    return table(read_scans(given.codes, scanners))


if __name__ == "__main__":
    print(main())
