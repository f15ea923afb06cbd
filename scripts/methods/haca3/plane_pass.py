"""One orientation of a volume, slice by slice through the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ...base.steps import tell
from ...images.orientations import ORIENTATIONS, frame, plane_view, unframe
from .features import SliceFeatures
from .network import Haca3


@dataclass(frozen=True)
class Extras:
    """What is wanted beside the image: attention maps, and the variance over `samples` anatomies drawn with `seed`."""

    attention: bool = False
    samples: int = 0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class SubjectView:
    """What a network sees of one subject: its `sources` (C, X, Y, Z) and their `foreground` (C, X, Y, Z).

    `visible` (X, Y, Z) is where the output may differ from 0.
    """

    sources: Tensor
    foreground: Tensor
    visible: Tensor


def view_subject(network: Haca3, sources: Tensor) -> SubjectView:
    """Look at the sources (C, X, Y, Z) of one subject."""
    foreground = network.foreground(sources)
    # The attention knows slices; to it, the volume is one of X * Y rows.
    visible = network.attention.visible(foreground[None].flatten(2, 3), sources.new_ones(1, len(sources)))
    return SubjectView(sources, foreground, visible.view(sources.shape[1:]))


@dataclass
class PlanePass:
    """One subject to T targets (T, D), and what S covered slices said on the way.

    `process` is to be called for all of `covered`, in batches of any size.
    """

    network: Haca3
    seen: SubjectView
    orientation: str
    targets: Tensor
    extras: Extras = field(default_factory=Extras)

    def __post_init__(self) -> None:
        sources, targets = self.seen.sources, len(self.targets)
        channels, *grid = sources.shape
        self.slices = plane_view(sources, self.orientation)
        self.visible = plane_view(self.seen.visible, self.orientation).sum((1, 2))
        self.areas = plane_view(self.seen.foreground, self.orientation).sum((2, 3)).T
        # Only where the output may differ from 0 is there anything to compute.
        self.covered = self.visible.nonzero().flatten()
        self.begun = 0
        self.codes = sources.new_zeros(len(self.visible), channels, self.network.default_target.shape[1])
        self.shares = sources.new_zeros(targets, len(self.visible), channels)
        self.images = sources.new_zeros(targets, *grid)
        self.attention = sources.new_zeros(targets, channels, *grid) if self.extras.attention else None
        self.variance = sources.new_zeros(targets, *grid) if self.extras.samples else None

    def process(self, batch: Tensor) -> None:
        """Encode the sources' slices at the indices `batch` (B,), then decode them for each target."""
        slices = frame(self.slices[:, batch], self.orientation, self.network.field_of_view).transpose(0, 1)
        foreground, available = self.network.foreground(slices), slices.new_ones(slices.shape[:2])
        visible = self.network.attention.visible(foreground, available)
        self.codes[batch] = self._each_source(self.network.encode_code, slices)
        if not len(self.targets):
            return
        self.begun += len(batch)
        tell(f"harmonize {self.orientation} slices", self.begun / len(self.covered))
        logits = self._each_source(self.network.encode_anatomy, slices)
        for index, target in enumerate(self.targets):
            query = target.expand(len(batch), -1)
            weights = self.network.attention(query, self.codes[batch], foreground, available)
            decode = partial(self._decode, slices, self.codes[batch], logits, weights, query, visible)
            self._put(self.images[index], batch, decode()[:, 0])
            self.shares[index, batch] = (weights * visible).sum((2, 3)) / visible.sum((2, 3))
            if self.attention is not None:
                self._put(self.attention[index], batch, (weights * visible).transpose(0, 1))
            if self.variance is not None:
                self._put(self.variance[index], batch, self._variance(decode, batch, logits))

    def _each_source(self, encode: Callable[[Tensor], Tensor], slices: Tensor) -> Tensor:
        # One source at a time, so that the shapes a compiled encoder meets do not depend on the number of sources.
        return torch.cat([encode(source) for source in slices.split(1, dim=1)], dim=1)

    def _decode(
        self,
        slices: Tensor,
        codes: Tensor,
        logits: Tensor,
        weights: Tensor,
        query: Tensor,
        visible: Tensor,
        noise: Tensor | None = None,
    ) -> Tensor:
        anatomy = self.network.fuse(logits, weights, noise)
        return self.network.decode(self.network.with_detail(anatomy, slices, codes, query, weights), query, visible)

    def _variance(self, decode: Callable[..., Tensor], batch: Tensor, logits: Tensor) -> Tensor:
        draws = [decode(self._gumbel(batch, sample, logits)) for sample in range(self.extras.samples)]
        return torch.stack(draws).var(0)[:, 0]

    def _gumbel(self, batch: Tensor, sample: int, like: Tensor) -> Tensor:
        """Gumbel noise (B, K, H, W), the same whatever slices share a batch."""
        place = [self.extras.seed, ORIENTATIONS.index(self.orientation), sample]
        generators = [np.random.default_rng([*place, index]) for index in batch.tolist()]
        noise = np.stack([generator.gumbel(size=like.shape[2:]) for generator in generators])
        return torch.from_numpy(noise).to(like)

    def _put(self, volume: Tensor, batch: Tensor, slices: Tensor) -> None:
        """Write slices (..., B, H, W) into a volume (..., X, Y, Z)."""
        view = plane_view(volume, self.orientation)
        view[..., batch, :, :] = unframe(slices, self.orientation, view.shape[-2:])


def slice_features(
    passes: Sequence[PlanePass], channels: Tensor, theta: int, target: int | None = None
) -> SliceFeatures:
    """The features of all covered slices of all passes; the attention is that of the target at index `target`."""
    orientation: list[str] = []
    parts: list[tuple[Tensor, ...]] = []
    for plane in passes:
        slices, sources = plane.covered, len(channels)
        shares = plane.codes.new_full((len(slices), sources), torch.nan)
        if target is not None:
            shares = plane.shares[target, slices]
        index = slices.unsqueeze(1).expand(-1, sources)
        channel = channels.expand(len(slices), -1)
        visible = plane.visible[slices].unsqueeze(1).expand(-1, sources)
        parts.append((index, channel, plane.codes[slices], plane.areas[slices], visible, shares))
        orientation += [plane.orientation] * index.numel()
    index, channel, code, area, visible, share = (
        torch.cat([rows.flatten(0, 1) for rows in column]).cpu() for column in zip(*parts, strict=True)
    )
    return SliceFeatures(tuple(orientation), index, channel, area, visible, share, code, theta)
