"""Measures one way to harmonize one subject, in a process of its own, and prints what it took as JSON.

    python -m scripts.bench.inference fp32 SUBJECT_FOLDER RESULT_FOLDER

The folder of the subject has t1w, t2w and flair.nii.gz, the sources, and target.nii.gz, a T1w image. Imports and, where
something is compiled, one slice to begin with come before the clock starts.
"""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose

from ..base.weights import seed_weights
from ..images.nifti import NativeImage, write_like
from ..images.orientations import ORIENTATIONS
from ..images.resampling import to_native_grid
from ..images.sources import read_sources
from ..methods.haca3.attention import CodeAttention, ForegroundAttention
from ..methods.haca3.fusing import NetworkFusion
from ..methods.haca3.fusion_net import FusionNet
from ..methods.haca3.network import Haca3
from ..methods.haca3.published_network import published_network
from ..methods.haca3.triplanar import TriPlanarInferer
from ..preprocessing.background import RemoveBackgroundd
from ..preprocessing.intensity_scale import ScaleByPercentiled
from . import naive

# What the inferer is told for each way; `naive` does not use it.
WAYS: dict[str, dict[str, Any]] = {
    "naive": {},
    "fp32": {},
    "fp32 compiled": {"compiled": True, "workers": 1},
    "bf16": {"precision": "bf16"},
    "bf16 compiled": {"precision": "bf16", "compiled": True, "workers": 1},
}
# Methods of the network that several slices may be in at a time.
SLICE_STAGES = ("encode_anatomy", "encode_code", "fuse", "decode")
SOURCES = ("t1w", "t2w", "flair")
PREPROCESSING = Compose([ScaleByPercentiled(), RemoveBackgroundd()])


class KeepingNetworkFusion(NetworkFusion):
    """Remembers the first plane's volume, for a comparison with the naive way."""

    plane: torch.Tensor

    def __call__(self, planes: Sequence[torch.Tensor], field_of_view: int, precision: str) -> torch.Tensor:
        """Fuse."""
        self.plane = planes[0]
        return super().__call__(planes, field_of_view, precision)


class Clock:
    """Seconds spent in each stage, and how often it was entered."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.lock = Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside."""
        start = perf_counter()
        yield
        seconds = perf_counter() - start
        with self.lock:
            self.stages[name] += seconds
            self.calls[name] += 1

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Count the calls of a class's method from now on."""
        original: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return original(*arguments, **options)

        setattr(owner, method, timed)


def measure(way: str, subject: Path, results: Path, targets: int, planes: int) -> dict[str, Any]:
    """Harmonize from files to file; the naive way decodes `planes` planes and takes the others to last as long."""
    network = published_network(ForegroundAttention(CodeAttention())).eval()
    fusion = FusionNet().eval()
    for module in (network, fusion):
        seed_weights(module, seed=0)
    keeping = KeepingNetworkFusion(fusion)
    options = {"workers": min(4, torch.get_num_threads()), **WAYS[way]}
    inferer = TriPlanarInferer(keeping, **options)
    _warm_up(inferer, network)
    clock = Clock()
    if way != "naive":
        for method in SLICE_STAGES:
            clock.watch(Haca3, method, method.replace("_", " "))
        clock.watch(NetworkFusion, "__call__", "fusion")
    start = perf_counter()
    with clock.stage("load, scale, background"):
        native, image, available = _load({contrast: subject / f"{contrast}.nii.gz" for contrast in SOURCES})
        target = _load({"t1w": subject / "target.nii.gz"})[1]
    with torch.inference_mode():
        code = network.encode_target(target[None, :1], "t1w")
    del target
    # What the target took belongs to no source.
    clock.stages.pop("encode code", None)
    clock.calls.pop("encode code", None)
    if way == "naive":
        volumes, volume = _naive(image[available], network, fusion, code, planes, clock)
        plane = volumes[0]
    else:
        volume = inferer.harmonize(image, network, [code] * targets, available)[0].image[0]
        plane = keeping.plane
    with clock.stage("back to the grid, write"):
        write_like(results / f"{way}.nii.gz", to_native_grid(volume.numpy(), native).voxels, native, "bench")
    seconds = perf_counter() - start + clock.stages.pop("not run", 0.0)
    for method in SLICE_STAGES if way != "naive" else ():
        clock.stages[method.replace("_", " ")] /= options["workers"]
    np.savez(results / f"{way}.npz", image=volume.numpy(), plane=plane.numpy())
    return {
        "seconds": seconds,
        "stages": clock.stages,
        "peak_gib": _peak_gib(),
        "calls": clock.calls,
    }


def _load(paths: dict[str, Path]) -> tuple[NativeImage, torch.Tensor, torch.Tensor]:
    """The native T1w image, all sources as the network takes them, and which there are."""
    sources = read_sources(paths)
    data = PREPROCESSING({"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)})
    return sources.images["t1w"], data["image"], data["available"]


def _peak_gib() -> float:
    """The largest resident memory of this process; what `getrusage` tells begins with that of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 2**20


@torch.inference_mode()
def _warm_up(inferer: TriPlanarInferer, network: Haca3) -> None:
    """One slice of one source through everything that may be compiled."""
    ready, slices = inferer.preparation(network), torch.rand(1, 1, network.field_of_view, network.field_of_view)
    ready.encode_code(slices)
    ready.encode_anatomy(slices)
    ready.decode(slices, network.default_target, slices)


def _naive(
    image: torch.Tensor, network: Haca3, fusion: FusionNet, code: torch.Tensor, planes: int, clock: Clock
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The planes and the image, which means nothing unless all planes were decoded."""
    volumes = []
    for orientation in ORIENTATIONS[:planes]:
        with clock.stage("all slices"):
            volumes.append(naive.decode_plane(image, network, code, orientation))
    left_out = clock.stages["all slices"] / planes * (len(ORIENTATIONS) - planes)
    clock.stages["all slices"] += left_out
    clock.stages["not run"] = left_out
    with clock.stage("fusion"):
        cubes = (volumes * len(ORIENTATIONS))[: len(ORIENTATIONS)]
        return volumes, naive.fuse_planes(cubes, fusion, network.field_of_view)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=list(WAYS))
    parser.add_argument("subject", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--targets", type=int, default=1)
    parser.add_argument("--planes", type=int, default=len(ORIENTATIONS), choices=range(1, len(ORIENTATIONS) + 1))
    print(json.dumps(measure(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
