"""What every method's inferer gives, and the inferer of methods that work on whole volumes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor


@dataclass(frozen=True)
class SourceFeatures(ABC):
    """What a method saw in each of R rows, a slice of a source in which some source shows foreground.

    `orientation` names the plane of each row, `index` the voxel along the axis that is sliced, `channel` the source.
    `area` counts the source's foreground pixels: what a row says means nothing where there are none. `visible` counts
    the pixels of the output, over which `share` is the source's mean attention; nan without a target.
    """

    orientation: tuple[str, ...]
    index: Tensor
    channel: Tensor
    area: Tensor
    visible: Tensor
    share: Tensor

    @property
    @abstractmethod
    def severity(self) -> Tensor:
        """Artifact severity of each row."""

    @abstractmethod
    def of_volumes(self) -> dict[str, dict[str, list[float] | float]]:
        """Means over the slices of each source, by its contrast; `severity` and `attention` among them."""


@dataclass(frozen=True)
class Harmonized:
    """One target's result on the working grid.

    A method leaves out what it does not know: `foreground` (4, X, Y, Z) is where each source shows more than
    background, `visible` (1, X, Y, Z) where the image may differ from 0, `attention` (4, X, Y, Z) the weight of each
    source, `uncertainty` (1, X, Y, Z) a standard deviation.
    """

    image: Tensor
    foreground: Tensor | None = None
    visible: Tensor | None = None
    attention: Tensor | None = None
    uncertainty: Tensor | None = None
    features: SourceFeatures | None = None


class HarmonizationInferer(Inferer):
    """Harmonizes the sources of one subject to any number of targets; `maps` names what it gives beside the image."""

    maps: Collection[str] = ()

    @abstractmethod
    def harmonize(
        self, image: Tensor, network: Any, targets: Sequence[Any], available: Tensor | None = None
    ) -> list[Harmonized]:
        """Sources (4, X, Y, Z) to one result for each of `targets`, codes of the network's `encode_target`.

        `available` (4,) says which sources there are; without it, those that are not all zero.
        """

    def __call__(self, inputs: Tensor, network: Any, target: Any = None, **_: Any) -> Tensor:
        """Volumes (B, 4, X, Y, Z) to (B, 1, X, Y, Z), all to one `target`.

        Of a MetaTensor, the metadata may hold `target` and `available`. With no target it is the network's default.
        """
        known = inputs.meta if isinstance(inputs, MetaTensor) else {}
        targets, available = [known.get("target") if target is None else target], known.get("available")
        volumes = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        return torch.stack([self.harmonize(image, network, targets, available)[0].image for image in volumes])


class VolumeInferer(HarmonizationInferer):
    """For networks that take a subject's volumes as they are."""

    def harmonize(
        self, image: Tensor, network: Any, targets: Sequence[Any], available: Tensor | None = None
    ) -> list[Harmonized]:
        """Call the network once for each target."""
        return [Harmonized(network(image[None], target)[0]) for target in targets]
