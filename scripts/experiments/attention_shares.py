"""Where attention goes when the source of the target's own contrast is clean, and when it is not (HACA3, Fig. 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from ..artifacts.calibration import load_calibration
from ..artifacts.degrade import apply_artifact, draw_artifact
from ..base.arguments import check_whole
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..methods.haca3.network import Haca3
from ..training.slices import ScanSlices, SliceStream
from .attention_table import CLEAN, ShareRow, attention_markdown
from .experiment import Experiment


@dataclass(frozen=True)
class Slices:
    """B slices of a visit: `images` (B, 4, H, W), `brain` (B, 1, H, W) and a seed for each."""

    images: Tensor
    brain: Tensor
    seeds: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class AttentionShares(Experiment[ShareRow]):
    """Shares of attention on the four sources of a person's first visit, for the codes of all contrasts of the second.

    They are means over the brain in the middle slices of the three planes, as `slices` cuts them of a scan. The source
    of the target's contrast is clean, or has an artifact of each kind with each of `severities`: the same draw, only
    stronger.
    Intensities end at `upper`, as at inference.
    """

    network: Haca3
    slices: SliceStream
    severities: Sequence[float] = (0.25, 0.5, 0.75, 1.0)
    seed: int = 1
    batch_size: int = 1
    upper: float = 5.0

    name: ClassVar[str] = "attention"
    row: ClassVar[type] = ShareRow
    contrasts: ClassVar[Sequence[str]] = CONTRASTS

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        super().__post_init__()
        check_whole("batch_size", self.batch_size)
        wrong = [severity for severity in self.severities if not 0 < severity <= 1]
        if wrong or not self.severities:
            raise InputError(f"`severities` must be above 0 and at most 1, got {list(self.severities)}")

    def table(self, rows: Sequence[ShareRow]) -> str:
        """See `attention_table.py`."""
        return attention_markdown(rows)

    @torch.inference_mode()
    def measure(self, number: int) -> list[ShareRow]:
        """The shares of a person."""
        visit, other = self.visits(number)
        slices = self._slices(self.slices.prepare(visit))
        codes = self._encode(slices.images)
        rows = []
        for channel, contrast in enumerate(CONTRASTS):
            volume = other.volumes[None, channel, None].clamp(max=self.upper)
            target = self.network.encode_target(volume.to(self.network.default_target.device), contrast)
            for kind, severity, images in [(CLEAN, 0.0, slices.images), *self._degraded(slices, channel)]:
                keys = codes.clone()
                if kind != CLEAN:
                    keys[:, channel] = self._encode(images[:, channel, None])[:, 0]
                shares = attention_in(self.network, target, keys, images.to(keys.device), slices.brain.to(keys.device))
                about = (
                    visit.about["subject"],
                    visit.about["scanner"],
                    other.about["scanner"],
                    contrast,
                    kind,
                    severity,
                )
                rows += [ShareRow(*about, *cells) for cells in zip(CONTRASTS, shares.tolist(), strict=True)]
        return rows

    def _slices(self, cut: ScanSlices) -> Slices:
        images = torch.stack([*cut.images.values()]).clamp(max=self.upper)
        seeds = tuple(derive_seed(self.seed, cut.scan.seed, *place) for place in cut.images)
        return Slices(images, torch.stack([*cut.masks.values()]), seeds)

    def _degraded(self, slices: Slices, channel: int) -> Iterator[tuple[str, float, Tensor]]:
        """Kind and severity of each artifact, and the images with it in one of the sources."""
        calibration = load_calibration()
        for kind, severity in product(calibration, self.severities):
            images = slices.images.clone()
            for image, seed in zip(images[:, channel, None], slices.seeds, strict=True):
                artifact = draw_artifact(kind, severity, derive_seed(seed, channel, kind), calibration)
                image.copy_(torch.as_tensor(apply_artifact(image, artifact)))
            yield kind, severity, images.clamp(max=self.upper)

    def _encode(self, images: Tensor) -> Tensor:
        """Codes (B, C, D) of sources (B, C, H, W)."""
        device = self.network.default_target.device
        return torch.cat([self.network.encode_code(batch.to(device)) for batch in images.split(self.batch_size)])


def attention_in(network: Haca3, target: Tensor, codes: Tensor, images: Tensor, region: Tensor) -> Tensor:
    """Mean attention (C,) on sources `images` (B, C, H, W) with `codes` (B, C, D), where they show some of a region.

    `target` is a code (1, D), `region` (B, 1, H, W).
    """
    foreground, available = network.foreground(images), images.new_ones(images.shape[:2])
    weights = network.attention(target.expand(len(images), -1), codes, foreground, available)
    counted = network.attention.visible(foreground, available) & region
    return (weights * counted).sum((0, 2, 3)) / counted.sum()
