"""Slices of a subject's sources through HACA3 in three planes, fused to one volume.

Slices in which no source shows anything are skipped: the output there is 0. The sources are encoded once, however many
targets are asked for, since a batch of slices is decoded for every target while its anatomy is at hand.
"""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.steps import tell
from ...images.orientations import ORIENTATIONS
from ...inferers.harmonization import HarmonizationInferer, Harmonized
from ...inferers.precision import NetworkPreparation
from ...inferers.side_by_side import side_by_side
from .features import SliceFeatures
from .fusing import Fusion, MedianFusion
from .levels import same_width
from .network import Haca3
from .plane_pass import Extras, PlanePass, SubjectView, slice_features, view_subject


class TriPlanarInferer(HarmonizationInferer):
    """Decodes in axial, coronal and sagittal slices, and lets `fusion` make one volume of the three.

    `attention` and `uncertainty` ask for these volumes. The uncertainty is the standard deviation over the planes; with
    `samples` of at least 2, the variance over anatomies drawn from the fused logits, which `seed` decides, is added.
    A fusion net may put something where no plane has anything; `mask_fused` clears that. With fewer `orientations` it
    is faster and `fusion` a median, for nets are made for three.

    On a CPU, `workers` batches of slices are under way at a time. Where a GPU's memory does not hold a batch, smaller
    ones are used, and at last the CPU.
    """

    def __init__(
        self,
        fusion: Fusion,
        precision: str = "fp32",
        compiled: bool = False,
        batch_size: int = 1,
        workers: int = 1,
        attention: bool = False,
        uncertainty: bool = False,
        samples: int = 0,
        seed: int = 0,
        mask_fused: bool = True,
        orientations: Sequence[str] = ORIENTATIONS,
    ) -> None:
        for name, number in (("batch_size", batch_size), ("workers", workers)):
            if number < 1:
                raise InputError(f"`{name}` must be at least 1, got {number}")
        if samples == 1 or samples < 0:
            raise InputError(f"`samples` must be 0 or at least 2, got {samples}")
        if seed < 0:
            raise InputError(f"`seed` must not be negative, got {seed}")
        if not orientations or len(set(orientations)) < len(orientations) or not set(orientations) <= set(ORIENTATIONS):
            raise InputError(f"`orientations` must be some of {', '.join(ORIENTATIONS)}, got {list(orientations)}")
        if len(orientations) < len(ORIENTATIONS) and not isinstance(fusion, MedianFusion):
            raise InputError(
                f"`fusion` must be a MedianFusion for fewer than three `orientations`, got a {type(fusion).__name__}"
            )
        if uncertainty and len(orientations) == 1 and not samples:
            raise InputError("`uncertainty` needs at least two `orientations`, or `samples`, got one and none")
        self.fusion = fusion
        self.orientations = tuple(orientations)
        self.precision = precision
        self.preparation = NetworkPreparation(precision, compiled)
        self.compiled = compiled
        self.batch_size = batch_size
        # Private, because it changes no bit: a record of what decides an output leaves it out.
        self._workers = workers
        self.uncertainty = uncertainty
        self.mask_fused = mask_fused
        self.extras = Extras(attention, samples if uncertainty else 0, seed)
        self.maps = ("imputed", *["attention"] * attention, *["uncertainty"] * uncertainty)

    @torch.inference_mode()
    def harmonize(
        self,
        image: Tensor,
        network: Haca3,
        targets: Sequence[Tensor | None],
        available: Tensor | None = None,
    ) -> list[Harmonized]:
        """Sources (4, X, Y, Z), normalised, to one result for each target code (1, theta + eta), with levels or not."""
        device = network.default_target.device
        codes = [network.default_target if target is None else target.to(device) for target in targets]
        try:
            return self._harmonize(image.to(device), network, same_width(codes), available)
        except torch.OutOfMemoryError:
            if device.type == "cpu":
                raise
        # Not before the exception is gone, which holds on to what did fit.
        torch.cuda.empty_cache()
        warnings.warn(f"{device} has too little memory for one slice at a time, going on with the CPU", stacklevel=2)
        return self._harmonize(image.cpu(), copy.deepcopy(network).cpu(), same_width(codes).cpu(), available)

    @torch.inference_mode()
    def encode(self, image: Tensor, network: Haca3, available: Tensor | None = None) -> SliceFeatures:
        """The codes of the sources (4, X, Y, Z) alone, without decoding anything."""
        nothing = network.default_target[:0]
        channels = _channels(image, available)
        passes = self._passes(view_subject(network, image[channels].to(nothing.device)), network, nothing)
        return slice_features(passes, channels, network.theta)

    def _harmonize(self, image: Tensor, network: Haca3, targets: Tensor, available: Tensor | None) -> list[Harmonized]:
        channels = _channels(image, available)
        seen = view_subject(network, image[channels])
        passes = self._passes(seen, network, targets)
        results = [self._result(passes, index, channels, seen.visible[None], network) for index in range(len(targets))]
        foreground = _all_channels(seen.foreground, channels)
        return [replace(result, foreground=foreground) for result in results]

    def _passes(self, seen: SubjectView, network: Haca3, targets: Tensor) -> list[PlanePass]:
        ready = self.preparation(network)
        passes = [PlanePass(ready, seen, orientation, targets, self.extras) for orientation in self.orientations]
        for plane in passes:
            self._process(plane)
        return passes

    def _process(self, plane: PlanePass) -> None:
        """All of one orientation, in smaller batches where a GPU's memory is short."""
        if self._workers > 1 and plane.covered.device.type == "cpu":
            side_by_side(plane.process, plane.covered.split(self.batch_size), self._workers)
            return
        size, remaining = self.batch_size, plane.covered
        while len(remaining):
            try:
                plane.process(remaining[:size])
                remaining = remaining[size:]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size //= 2

    def _result(
        self, passes: list[PlanePass], index: int, channels: Tensor, visible: Tensor, network: Haca3
    ) -> Harmonized:
        tell("fuse")
        planes = [plane.images[index] for plane in passes]
        image = self.fusion(planes, network.field_of_view, self.precision)[None]
        attention = [plane.attention[index] for plane in passes if plane.attention is not None]
        variances = [plane.variance[index] for plane in passes if plane.variance is not None]
        uncertainty = None
        if self.uncertainty:
            variance = torch.stack(planes).var(0, correction=0)
            if variances:
                variance += torch.stack(variances).mean(0)
            uncertainty = variance.sqrt()[None]
        return Harmonized(
            image=image * visible if self.mask_fused else image,
            visible=visible,
            attention=_all_channels(torch.stack(attention).mean(0), channels) if attention else None,
            uncertainty=uncertainty,
            features=slice_features(passes, channels, network.theta, index),
        )


def _channels(image: Tensor, available: Tensor | None) -> Tensor:
    """The indices of the sources that there are."""
    present = image.flatten(1).any(1) if available is None else available.to(image.device, torch.bool)
    return present.nonzero().flatten()


def _all_channels(volumes: Tensor, channels: Tensor) -> Tensor:
    """The `volumes` of the sources that there are at the places of their contrasts; 0 elsewhere."""
    complete = volumes.new_zeros(len(CONTRASTS), *volumes.shape[1:])
    complete[channels] = volumes
    return complete
