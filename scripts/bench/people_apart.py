"""Prints how far two scans lie apart: of one person, of two people on one scanner, and of two people on two.

    python -m monai.bundle run --config_file "['configs/inference.json', 'configs/encode.json']" \\
        --dataset_dir output/unpaired/cohort --output_dir output/unpaired/codes
    python -m scripts.bench.people_apart output/unpaired/codes --cohort output/unpaired/cohort

The first command writes the code files that the second one reads. Each scan is taken as a source whose target is each
other scan of the same contrast; without `--cohort` all scans count as of one scanner. Quantiles over pairs:

    asked     `apart` of Eq. (13) of HACA3+, by which the default decides whether a contrast is changed at all
    extent    logarithm of the ratio of the two extents, which tells the same person from another one (Eq. 12)
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


def asked(source: EncodedScan, target: EncodedScan) -> float:
    """How much the target asks of the source."""
    return float(weigh(source.brightness, target.brightness).apart)


def extent(source: EncodedScan, target: EncodedScan) -> float:
    """By how much one shows more than the other."""
    return float((source.brightness.extent.log() - target.brightness.extent.log()).abs())


def table(scans: Sequence[EncodedScan]) -> str:
    """A line for each contrast, measure and kind of pair."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for source, target in permutations(scans, 2):
        if source.contrast == target.contrast:
            for measure in (asked, extent):
                key = BIDS_SUFFIX[source.contrast], measure.__name__, _kind(source, target)
                found.setdefault(key, []).append(measure(source, target))
    lines = [
        [*group, str(len(values)), *(f"{value:.3f}" for value in np.quantile(values, _QUANTILES))]
        for group, values in sorted(found.items())
    ]
    heads = ["contrast", "measure", "two scans", "pairs", *(f"{share:.0%}" for share in _QUANTILES)]
    return markdown_table(heads, lines, 3)


def _kind(source: EncodedScan, target: EncodedScan) -> str:
    if source.subject == target.subject:
        return "of one person"
    return "of two people, one scanner" if source.scanner == target.scanner else "of two people, two scanners"


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
