"""What the names of images alone say: their contrasts, and which are of one visit."""

from collections.abc import Mapping
from pathlib import Path

from ..base.contrasts import CONTRAST_OF_SUFFIX

_CONTRASTS = {suffix.lower(): contrast for suffix, contrast in CONTRAST_OF_SUFFIX.items()}


def contrast_of_name(image: Path) -> str | None:
    """The contrast of a BIDS suffix in any case; FLAIR_to_T1w.nii.gz is no T1w image, though it ends like one."""
    *others, suffix = image.name.lower().split(".nii")[0].split("_")
    return None if _CONTRASTS.keys() & set(others) else _CONTRASTS.get(suffix)


def siblings(image: Path, contrast_of_suffix: Mapping[str, str | None] = CONTRAST_OF_SUFFIX) -> dict[str, Path]:
    """The first image of each contrast that lies beside `image` under a name that differs in nothing but the suffix."""
    stem = image.name.split(".nii")[0].rpartition("_")[0]
    found: dict[str, Path] = {}
    for suffix, contrast in contrast_of_suffix.items():
        for sibling in (image.with_name(f"{stem}_{suffix}{ending}") for ending in (".nii.gz", ".nii")):
            if contrast is not None and contrast not in found and sibling != image and sibling.is_file():
                found[contrast] = sibling
    return found
