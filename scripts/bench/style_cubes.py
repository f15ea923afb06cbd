"""Whether MMH's first stage draws styles together, in a minute: `python -m scripts.bench.style_cubes`.

Cubes of 20 voxels in three levels of gray are people, five curves of brightness are scanners. 40 cubes, each of one
scanner, train a narrow model; then three others are harmonized from all five scanners. Printed are the mean Wasserstein
distances between scanners before and after, and how the result of the first scanner correlates with its source.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler
from torch import Tensor
from torch.nn.functional import interpolate

from ..methods.mmh.condition import GradientMap
from ..methods.mmh.grid import NetworkGrid
from ..methods.mmh.inferer import DiffusionInferer
from ..methods.mmh.losses import UnifiedLoss
from ..methods.mmh.network import DiffusionModel, Mmh
from ..methods.mmh.noise_predictor import NoisePredictor
from ..methods.mmh.sampling import DdimSampler
from ..methods.mmh.style import StyleRecords, StyleStatistics, foreground, histogram_distance
from ..methods.mmh.style_stage import StyleStage

SIZE = 20
GAMMAS = (0.6, 0.8, 1.0, 1.3, 1.7)
_SCHEDULE: dict[str, Any] = {
    "schedule": "scaled_linear_beta",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "clip_sample": False,
}


def draw_person(generator: torch.Generator) -> Tensor:
    """A cube (1, 1, X, Y, Z) of the levels 0.1, 0.6 and 1."""
    field = interpolate(torch.rand(1, 1, 5, 5, 5, generator=generator), size=(SIZE,) * 3, mode="trilinear")
    return 0.1 + 0.5 * (field > 0.45) + 0.4 * (field > 0.6)


def scan(person: Tensor, scanner: int, generator: torch.Generator) -> Tensor:
    """The person on a scanner, with noise and a margin of background, in the network's range."""
    noisy = person ** GAMMAS[scanner] + 0.02 * torch.randn(person.shape, generator=generator)
    shown = torch.zeros_like(noisy)
    shown[..., 3:-3, 3:-3, 3:-3] = noisy.clamp(0.03, 1.2)[..., 3:-3, 3:-3, 3:-3]
    return shown * (2 / 1.5) - 1


def train(network: Mmh, stage: StyleStage, steps: int, generator: torch.Generator) -> None:
    """Batches of four of 40 cubes."""
    cubes = [scan(draw_person(generator), number % len(GAMMAS), generator) for number in range(40)]
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(1, steps + 1):
        chosen = torch.cat([cubes[number] for number in torch.randint(len(cubes), (4,)).tolist()])
        contrast = torch.zeros(4, dtype=torch.long)
        optimizer.zero_grad()
        stage({"image": chosen, "contrast": contrast, "name": ["cube"] * 4}, step)["total"].backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def judge(network: Mmh, statistics: StyleStatistics, generator: torch.Generator) -> dict[str, float]:
    """Harmonize three people from all scanners."""
    inferer = DiffusionInferer(DdimSampler(DDIMScheduler(1000, **_SCHEDULE), 175, 35, 25))
    numbers: dict[str, list[float]] = {"before": [], "after": [], "correlation": []}
    for person in [draw_person(generator) for _ in range(3)]:
        volumes = torch.cat([scan(person, scanner, generator) for scanner in range(len(GAMMAS))])
        made = inferer.unify(network, volumes, torch.zeros(len(volumes), dtype=torch.long))
        for name, images in (("before", volumes), ("after", made)):
            found = statistics(images, foreground(volumes)).histogram
            numbers[name] += [float(histogram_distance(a, b)) for n, a in enumerate(found) for b in found[:n]]
        shown = foreground(volumes[0])
        numbers["correlation"].append(float(torch.corrcoef(torch.stack([made[0][shown], volumes[0][shown]]))[0, 1]))
    return {name: sum(values) / len(values) for name, values in numbers.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and judge by command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--own_share", type=float, default=0.5)
    parser.add_argument("--own_style_up", type=int, default=1)
    parser.add_argument("--source_style", type=int, default=1)
    parser.add_argument("--weights", type=float, nargs=3, default=(15.0, 3.0, 3.0))
    parser.add_argument("--until", type=int, default=250)
    chosen = parser.parse_args(arguments)
    torch.manual_seed(0)
    statistics = StyleStatistics()
    predictor = NoisePredictor((16, 32), 1, (False, True), 16, 8, 2, source_style=bool(chosen.source_style))
    model = DiffusionModel(predictor, StyleRecords())
    network = Mmh(NetworkGrid((SIZE,) * 3, 1), GradientMap(), model, None, bool(chosen.own_style_up))
    wasserstein_weight, mean, deviation = chosen.weights
    loss = UnifiedLoss(1.0, 1.0, wasserstein_weight, mean, deviation, chosen.until, ramp_steps=100)
    stage = StyleStage(network, loss, DDPMScheduler(1000, **_SCHEDULE), statistics, 200, chosen.own_share)
    generator = torch.Generator().manual_seed(1)
    train(network, stage, chosen.steps, generator)
    print(json.dumps({name: round(value, 4) for name, value in judge(network, statistics, generator).items()}))


if __name__ == "__main__":
    main()
