"""Measures the default network on a GPU and writes the table: `python -m scripts.bench.gpu`.

A subject has T1w, T2w and FLAIR, whose foreground fills about as much of the working grid as a brain does. Weights are
random, which changes no time. Reading, writing and registration, which the CPU does meanwhile, are left out.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from time import perf_counter

import torch
from monai.bundle import ConfigParser
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.markdown_table import markdown_table
from ..base.weights import seed_weights
from ..images.grid import GRID_SHAPE
from ..methods.haca3plus.network import HarmonizationNet
from ..methods.haca3plus.planes import PlanesInferer
from .performance import BUNDLE, describe_machine, turns_of, write_section

BRAIN = (140, 176, 140)


@dataclass(frozen=True)
class NetworkWay:
    """How the network runs."""

    targets: int
    precision: str
    batch_size: int
    compiled: bool = False


@dataclass(frozen=True)
class VolumeTime:
    """Of one volume."""

    seconds: float
    peak_gib: float


def subject(device: torch.device) -> Tensor:
    """Sources (4, X, Y, Z) on the working grid; PD is missing."""
    image = torch.zeros(len(CONTRASTS), *GRID_SHAPE)
    lows = [(size - brain) // 2 for size, brain in zip(GRID_SHAPE, BRAIN, strict=True)]
    box = tuple(slice(low, low + brain) for low, brain in zip(lows, BRAIN, strict=True))
    image[:, *box] = 0.2 + torch.rand(len(CONTRASTS), *BRAIN, generator=torch.Generator().manual_seed(0))
    image[CONTRASTS.index("pd")] = 0
    return image.to(device)


def default_network(device: torch.device) -> HarmonizationNet:
    """That of configs/inference.json, with random weights."""
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    network: HarmonizationNet = parser.get_parsed_content("network_def")
    seed_weights(network, seed=0)
    return network.to(device).eval()


def measure(way: NetworkWay, network: HarmonizationNet, image: Tensor, repeats: int) -> VolumeTime:
    """The median over `repeats` passes, after one that does not count."""
    inferer = PlanesInferer(way.precision, way.batch_size, compiled=way.compiled)
    targets = [network.default_target] * way.targets
    on_gpu = image.device.type == "cuda"
    seconds = []
    for turn in range(repeats + 1):
        if turn == 1 and on_gpu:
            torch.cuda.reset_peak_memory_stats()
        start = perf_counter()
        inferer.harmonize(image, network, targets)
        if on_gpu:
            # What was asked of a GPU is done when it says so.
            torch.cuda.synchronize()
        seconds.append(perf_counter() - start)
    return VolumeTime(median(seconds[1:]), torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0)


def table(found: dict[NetworkWay, VolumeTime]) -> str:
    """Markdown: a row for each way."""
    header = ["targets", "precision", "slices in a batch", "compiled", "seconds", "volumes a second", "peak GiB"]
    rows: Sequence[tuple[str, ...]] = [
        (
            str(way.targets),
            way.precision,
            str(way.batch_size),
            "yes" if way.compiled else "no",
            f"{taken.seconds:.2f}",
            f"{way.targets / taken.seconds:.2f}",
            f"{taken.peak_gib:.1f}",
        )
        for way, taken in found.items()
    ]
    return markdown_table(header, rows)


def main() -> None:
    """Measure, and rewrite the section of the page; without a GPU say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("PyTorch sees no GPU here: the table of the GPU stays as it is.")
        return
    device = torch.device("cuda")
    image, network = subject(device), default_network(device)
    ways = [NetworkWay(*each) for each in product((1, 3), ("fp32", "bf16"), (16, 64), (False, True))]
    found = {way: measure(way, network, image, options.repeats) for way in ways}
    about = f"{torch.cuda.get_device_name()}; {describe_machine()}; {turns_of(options.repeats)}, three sources."
    write_section("\n".join(["### a GPU", "", about, "", table(found)]))


if __name__ == "__main__":
    main()
