"""What the encoders say about each slice of each source, as numbers and as a table."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...inferers.harmonization import SourceFeatures


@dataclass(frozen=True)
class SliceFeatures(SourceFeatures):
    """The `code` (R, theta + eta) of each row, of which `theta` numbers are theta.

    `trust` is how far the network was trusted with each source, by contrast, where that was asked for.
    """

    code: Tensor
    theta: int
    trust: Mapping[str, float] | None = None

    @property
    def severity(self) -> Tensor:
        """Artifact severity of each row: the norm of eta."""
        return self.code[:, self.theta :].norm(dim=1)

    def of_volumes(self) -> dict[str, dict[str, list[float] | float]]:
        """Means over the slices of each source: of codes weighted by `area`, of attention by `visible`."""
        summary: dict[str, dict[str, list[float] | float]] = {}
        for channel in self.channel.unique().tolist():
            rows = self.channel == channel
            weight = self.area[rows] / self.area[rows].sum()
            code = (self.code[rows] * weight.unsqueeze(1)).sum(0)
            summary[CONTRASTS[channel]] = {
                "theta": code[: self.theta].tolist(),
                "eta": code[self.theta :].tolist(),
                "severity": float((self.severity[rows] * weight).sum()),
                "attention": float((self.share[rows] * self.visible[rows]).sum() / self.visible[rows].sum()),
            }
            if self.trust:
                summary[CONTRASTS[channel]]["trust"] = self.trust[CONTRASTS[channel]]
        return summary


def features_table(features: Mapping[str, SliceFeatures]) -> tuple[list[str], list[list[str]]]:
    """Column names and rows, in the order planes, slices, sources; `features` of one subject, by target contrast."""
    one = next(iter(features.values()))
    names = [f"theta{i + 1}" for i in range(one.theta)]
    names += [f"eta{i + 1}" for i in range(one.code.shape[1] - one.theta)]
    decoded = {contrast: each.share for contrast, each in features.items() if not each.share.isnan().any()}
    shares = [f"attention_{contrast}" for contrast in decoded]
    header = ["orientation", "slice", "source", "area", "visible", *names, "severity", *shares]
    numbers = torch.cat([one.code, torch.stack([one.severity, *decoded.values()], dim=1)], dim=1).tolist()
    counts = torch.stack([one.index, one.channel, one.area, one.visible], dim=1).tolist()
    rows = [
        [orientation, str(index), CONTRASTS[channel], str(area), str(visible), *(f"{value:.6g}" for value in values)]
        for orientation, (index, channel, area, visible), values in zip(one.orientation, counts, numbers, strict=True)
    ]
    return header, rows
