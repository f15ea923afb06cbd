"""Compares bfloat16 with single precision, with the weights that ship: `python -m scripts.bench.precision`.

T1w, T2w and FLAIR of a simulated person's one visit go to all contrasts of another scanner.
"""

import argparse
from collections.abc import Mapping, Sequence

import torch
from monai.bundle import ConfigParser
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.markdown_table import markdown_table
from ..evaluation.work import ImageMetric
from ..experiments.similarity import measure_inside
from ..metrics.image import psnr
from ..metrics.ssim import windowed_ssim
from ..training.scans import Scan
from .performance import BUNDLE, describe_machine, write_section

SOURCES = ("t1w", "t2w", "flair")
METRICS: Mapping[str, ImageMetric] = {"psnr": psnr, "ssim": windowed_ssim}


def visits(number: int) -> tuple[Scan, Scan]:
    """Those of a person of the experiment on imputation, counted from 0."""
    parser = ConfigParser()
    names = ("inference.json", "experiment_imputation.json")
    parser.read_config([str(BUNDLE / "configs" / name) for name in names])
    parser["bundle_root"] = str(BUNDLE)
    first, second = parser.get_parsed_content("experiment").visits(number)
    return first, second


@torch.inference_mode()
def harmonize(visit: Scan, other: Scan, precision: str) -> list[Tensor]:
    """The images (X, Y, Z) of all contrasts, as inference.json makes them of prepared volumes."""
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    parser.update({"bundle_root": str(BUNDLE), "precision": precision})
    parser.get_parsed_content("weights").load()
    network = parser.get_parsed_content("network").eval()
    shown = visit.only(SOURCES)
    method, device = parser.get_parsed_content("method"), network.default_target.device
    codes = [method.for_network(method.encode(other.volumes.to(device), contrast)) for contrast in CONTRASTS]
    results = parser.get_parsed_content("inferer").harmonize(shown.volumes, network, codes, shown.available)
    return [result.image[0].cpu() for result in results]


def rows(exact: Sequence[Tensor], rounded: Sequence[Tensor], brain: Tensor) -> list[tuple[str, ...]]:
    """For each contrast how alike the images are inside the brain."""
    found = [measure_inside(METRICS, *images, brain) for images in zip(rounded, exact, strict=True)]
    return [
        (contrast, f"{alike['psnr']:.1f}", f"{alike['ssim']:.5f}")
        for contrast, alike in zip(CONTRASTS, found, strict=True)
    ]


def main() -> None:
    """Measure, and rewrite the section of docs/validation/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--person", type=int, default=0, help="counted from 0")
    options = parser.parse_args()
    visit, other = visits(options.person)
    exact, rounded = (harmonize(visit, other, precision) for precision in ("fp32", "bf16"))
    table = markdown_table(["target", "PSNR of bf16 to fp32 (dB) ↑", "SSIM ↑"], rows(exact, rounded, visit.mask))
    about = f"The weights that ship, inside the brain of a simulated person; {describe_machine()}."
    write_section("\n".join(["### bf16", "", about, "", table]))


if __name__ == "__main__":
    main()
