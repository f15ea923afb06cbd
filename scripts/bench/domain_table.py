"""How alike scanners are after methods without paired training, measured on people who were on all of them.

    python -m scripts.bench.domain_table COHORT SCANNER METHOD=FOLDER ... --people 04

COHORT is a BIDS folder of traveling people, SCANNER the target domain's. Inside the brain each image is divided by its
95th percentile there, and by nothing that comes from another image: no output is matched to what it is compared with.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..images.bids_cohort import CohortImage, output_path, read_cohort, truth_path
from ..images.volumes import read_volume
from ..metrics.image import correlation, psnr, wasserstein
from ..metrics.scaling import divide_by_percentile
from ..metrics.ssim import windowed_ssim

MEASURES = {
    "between": "Wasserstein between scanners ↓",
    "target": "Wasserstein to the target ↓",
    "ssim": "SSIM ↑",
    "psnr": "PSNR (dB) ↑",
    "pcc": "PCC ↑",
}
_DECIMALS = {"psnr": 2}


def compare(images: Sequence[np.ndarray], truth: np.ndarray, mask: np.ndarray) -> dict[str, list[float]]:
    """Numbers of images of one person, each against the target scanner's own, the `truth`."""
    return {
        "target": [wasserstein(image, truth, mask) for image in images],
        "ssim": [windowed_ssim(image, truth, mask).value for image in images],
        "psnr": [psnr(image, truth, mask) for image in images],
        "pcc": [correlation(image, truth, mask) for image in images],
    }


def measure(
    cohort: Path, scanner: str, methods: Mapping[str, Path], people: Sequence[str], contrast: str = "t1w"
) -> dict[str, dict[str, list[float]]]:
    """Numbers by method and measure, over all people; `unharmonized` comes first.

    The image of the target's scanner counts as a method made it for distances between scanners, and as it was acquired
    where it is the truth.
    """
    chosen = [image for image in read_cohort(cohort, [contrast]) if image.run == 1]
    wanted = {f"sub-{person.removeprefix('sub-')}" for person in people} or {image.subject for image in chosen}
    table: dict[str, dict[str, list[float]]] = {}
    for method, folder in {"unharmonized": None, **methods}.items():
        numbers = table.setdefault(method, defaultdict(list))
        for subject in sorted(wanted):
            for name, values in _of_person(
                cohort, scanner, folder, [i for i in chosen if i.subject == subject]
            ).items():
                numbers[name] += values
    return table


def _of_person(
    cohort: Path, scanner: str, folder: Path | None, images: Sequence[CohortImage]
) -> Mapping[str, list[float]]:
    own = [image for image in images if image.scanner == scanner]
    if len(own) != 1:
        raise InputError(
            f"every person must have one image of the target's scanner {scanner}, got {len(own)} among those of "
            f"{', '.join(sorted({image.subject for image in images})) or 'nobody'}"
        )
    mask_file = truth_path(cohort, own[0].subject, "desc-brain_mask")
    mask = read_volume(mask_file if mask_file.is_file() else own[0].path)[0] > 0

    def read(path: Path) -> np.ndarray:
        return divide_by_percentile(read_volume(path)[0], mask)

    truth = read(own[0].path)
    made = {i.scanner: read(i.path if folder is None else output_path(folder, i)) for i in images}
    pairs = [wasserstein(first, second, mask) for first, second in combinations(made.values(), 2)]
    others = [image for name, image in made.items() if name != scanner]
    return {"between": pairs, **compare(others, truth, mask)}


def markdown(table: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """A row for each method: mean and standard deviation."""
    rows = [
        [method, *(format_mean(*mean_and_sd(numbers[name]), _DECIMALS.get(name, 3)) for name in MEASURES)]
        for method, numbers in table.items()
    ]
    return markdown_table(["method", *MEASURES.values()], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table by command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("scanner")
    parser.add_argument("methods", nargs="*", help="such as nyul=output/nyul")
    parser.add_argument("--people", nargs="*", default=[])
    chosen = parser.parse_args(arguments)
    methods = dict(each.split("=", 1) for each in chosen.methods)
    print(markdown(measure(chosen.cohort, chosen.scanner, {k: Path(v) for k, v in methods.items()}, chosen.people)))


if __name__ == "__main__":
    main()
