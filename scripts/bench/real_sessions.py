"""Compares two sessions of a real person, each harmonized to the other, in MNI152 space.

    python -m scripts.bench.real_sessions output/real ms12 none nyul haca3plus

For each method and the sessions 1 and 2, `output/real/<method>_<session>` is the output of a run that brought the
images of that session to those of the other one. The method `none` leaves them as they are, and so gives what to
compare with. Numbers are PSNR in dB and SSIM inside the template's brain, as far as both sessions show it, after each
image was divided by its 95th percentile there. Needs what registration needs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..base.markdown_table import markdown_table
from ..images.mni152 import load_template
from ..images.volumes import read_volume
from ..metrics.image import psnr
from ..metrics.scaling import divide_by_percentile
from ..metrics.ssim import windowed_ssim

SUFFIXES = ("T1w", "T2w", "FLAIR")
SPACE = "space-MNI152NLin2009aSym_desc-harmonized"


def read(root: Path, method: str, person: str, session: int, suffix: str) -> np.ndarray:
    """What a method made of a session's image (X, Y, Z)."""
    stem = f"sub-{person}_ses-{session}"
    path = (
        root / f"{method}_{session}" / f"sub-{person}" / f"ses-{session}" / "anat" / f"{stem}_{SPACE}_{suffix}.nii.gz"
    )
    if not path.is_file():
        raise InputError(f"`{method}` must have harmonized session {session} with `--space mni`, {path} does not exist")
    return read_volume(path)[0]


def compare(image: np.ndarray, reference: np.ndarray, region: np.ndarray) -> str:
    """PSNR and SSIM of two images of one region."""
    first, second = (divide_by_percentile(each, region) for each in (image, reference))
    return f"{psnr(first, second, region):.2f} / {windowed_ssim(first, second, region).value:.4f}"


def table(root: Path, person: str, methods: Sequence[str], brain: np.ndarray) -> str:
    """A row for each direction and contrast, a column for each method."""
    rows = []
    for session, other in ((1, 2), (2, 1)):
        for suffix in SUFFIXES:
            source, reference = (read(root, "none", person, each, suffix) for each in (session, other))
            region = brain & (source > 0) & (reference > 0)
            cells = [compare(read(root, method, person, session, suffix), reference, region) for method in methods]
            rows.append([f"{session} to {other}", suffix, *cells])
    return markdown_table(["sessions", "contrast", *methods], rows, 2)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("person")
    parser.add_argument("methods", nargs="+")
    given = parser.parse_args(words)
    print(table(given.root, given.person, given.methods, load_template().brain > 0))


if __name__ == "__main__":
    main()
