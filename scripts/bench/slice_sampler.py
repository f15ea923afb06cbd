"""How many training samples a second the sampler gives: `python -m scripts.bench.slice_sampler FOLDER`.

Time is that of the process on its one thread, so that what else the machine does counts as little as possible; the
fastest batch says what a quiet machine would give. Two workers on two cores give twice as many.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..sampler.map_library import MapLibrary
from ..sampler.plan import SliceLaw
from ..sampler.slice_sampler import SliceSampler


def measure(sampler: SliceSampler, batches: int = 20) -> dict[str, float]:
    """Milliseconds of one thread per sample, drawing and rendering: median, fastest batch, and samples a second."""
    sampler.render(sampler.draw(sampler.first_step))
    spent = []
    for step in range(batches):
        before = time.process_time()
        sampler.render(sampler.draw(sampler.first_step + 1 + step))
        spent.append(1000 * (time.process_time() - before) / sampler.batch)
    typical = float(np.median(spent))
    return {"median_ms": typical, "fastest_ms": min(spent), "samples_per_second_and_core": 1000 / typical}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a library by command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--window", type=int, nargs=2, default=(128, 128))
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    library = MapLibrary(chosen.folder, partial=True)
    sampler = SliceSampler(library, batch=chosen.batch, slices=SliceLaw(window=tuple(chosen.window)))
    print(json.dumps({name: round(value, 2) for name, value in measure(sampler, chosen.batches).items()}))


if __name__ == "__main__":
    main()
