"""The inferer of 2D methods that work in one plane."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base.errors import InputError
from ..images.orientations import ORIENTATIONS, plane_view
from .harmonization import HarmonizationInferer, Harmonized
from .precision import PRECISIONS, autocast


class SliceInferer(HarmonizationInferer):
    """Calls the network with slices (B, 4, H, W) of one `orientation`, those in which some source shows something."""

    def __init__(self, orientation: str = "axial", batch_size: int = 1, precision: str = "fp32") -> None:
        if orientation not in ORIENTATIONS:
            raise InputError(f"`orientation` must be one of {', '.join(ORIENTATIONS)}, got {orientation}")
        if batch_size < 1:
            raise InputError(f"`batch_size` must be at least 1, got {batch_size}")
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        self.orientation = orientation
        self.batch_size = batch_size
        self.precision = precision

    @torch.inference_mode()
    def harmonize(
        self, image: Tensor, network: nn.Module, targets: Sequence[Any], available: Tensor | None = None
    ) -> list[Harmonized]:
        """Sources (4, X, Y, Z) to one result for each target; `available` makes no difference."""
        volumes = image.to(next(network.parameters()).device)
        covered = plane_view(volumes, self.orientation).transpose(0, 1).flatten(1).any(1).nonzero().flatten()
        return [Harmonized(self._pass(volumes, covered, network, target)) for target in targets]

    def _pass(self, volumes: Tensor, covered: Tensor, network: nn.Module, target: Any) -> Tensor:
        """One volume (1, X, Y, Z), 0 in the slices that are not `covered`."""
        dtype, output = PRECISIONS[self.precision], torch.zeros_like(volumes[0])
        slices, written = plane_view(volumes, self.orientation), plane_view(output, self.orientation)
        with autocast(dtype, volumes.device):
            for places in covered.split(self.batch_size):
                written[places] = network(slices[:, places].transpose(0, 1), target)[:, 0].float()
        return output[None]
