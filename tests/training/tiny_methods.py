"""Two methods of three dimensions that are nothing but their networks and losses: an adversarial one and a diffusion.

Neither harmonizes. They stand for what a method brings along: all else is of `configs/train.json`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.networks.schedulers import DDPMScheduler
from torch import Tensor, nn

from scripts.base.weights import state_sha256


class Generator(nn.Module):
    """An image of one label from an image (B, 1, X, Y, Z) and labels (B, K), 1 for one's own and -1 for others."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.body = nn.Conv3d(1 + labels, 1, 3, padding=1)

    def forward(self, image: Tensor, labels: Tensor) -> Tensor:
        maps = labels[:, :, None, None, None].expand(-1, -1, *image.shape[2:])
        return self.body(torch.cat([image, maps], dim=1))


class Discriminator(nn.Module):
    """Whether an image is real, and its labels: (B, 1 + K)."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(1, 4, 3), nn.LeakyReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.head = nn.Linear(4, 1 + labels)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.body(image))


class GameStage(nn.Module):
    """Losses of the players `generator` and `discriminator`, by LSGAN and mean squared errors of labels."""

    def __init__(self, network: Generator, discriminator: Discriminator, sites: Sequence[str]) -> None:
        super().__init__()
        self.generator = network
        self.discriminator = discriminator
        self.sites = list(sites)

    def forward(self, batch: Mapping[str, Any], iteration: int, player: str) -> dict[str, Tensor]:
        image = batch["image"]
        own = torch.tensor([[1.0 if site == name else -1.0 for name in self.sites] for site in batch["site"]])
        wanted = own[torch.randperm(len(own))].to(image.device)
        fake = self.generator(image, wanted)
        if player == "discriminator":
            real, made = self.discriminator(image), self.discriminator(fake)
            adversarial = ((real[:, 0] - 1) ** 2 + made[:, 0] ** 2).mean()
            label = ((real[:, 1:] - own.to(image.device)) ** 2).mean()
        else:
            judged = self.discriminator(fake)
            adversarial = ((judged[:, 0] - 1) ** 2).mean()
            label = ((judged[:, 1:] - wanted) ** 2).mean() + (fake - image).abs().mean()
        return {"adversarial": adversarial, "label": label, "total": adversarial + label}


class NoiseNetwork(nn.Module):
    """The noise in an image (B, 1, X, Y, Z) at a time (B,) of 100."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.SiLU(), nn.Conv3d(4, 1, 3, padding=1))

    def forward(self, image: Tensor, time: Tensor) -> Tensor:
        return self.body(torch.cat([image, (time / 100).view(-1, 1, 1, 1, 1).expand_as(image)], dim=1))


class NoiseStage(nn.Module):
    """The error of the noise that the network finds."""

    def __init__(self, network: NoiseNetwork) -> None:
        super().__init__()
        self.network = network
        self.scheduler = DDPMScheduler(num_train_timesteps=100, schedule="scaled_linear_beta")

    def forward(self, batch: Mapping[str, Any], iteration: int) -> dict[str, Tensor]:
        image = batch["image"]
        time, noise = torch.randint(100, (len(image),), device=image.device), torch.randn_like(image)
        found = self.network(self.scheduler.add_noise(image, noise, time), time)
        total = ((found - noise) ** 2).mean()
        return {"noise": total, "total": total}


class Unchanged:
    """An evaluator's iteration: `pred` is the image times the mean of all weights, so that it depends on them."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        weights = torch.cat([parameter.detach().flatten() for parameter in self.network.parameters()])
        return {**batch, "pred": batch["image"] * (1 + weights.mean()), "target": batch["image"]}


class Witness:
    """Writes after each epoch what the networks of this process are, to `folder`."""

    def __init__(self, networks: Mapping[str, nn.Module], folder: str) -> None:
        self.networks = networks
        self.folder = Path(folder)

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def write(self, engine: Engine) -> None:
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} {state_sha256(network)}" for name, network in self.networks.items()]
        (self.folder / f"rank-{rank}.txt").write_text("\n".join(lines))
