"""From volumes to harmonized volumes: the whole box around the brain at once, or windows that overlap."""

from collections.abc import Sequence

import torch
from monai.inferers import sliding_window_inference
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...inferers.harmonization import HarmonizationInferer, Harmonized
from ...inferers.precision import PRECISIONS
from ...layers.carry_curve import CurveCarrier
from .field import Field, check_field, enlarge_voxels, field_around, shrink_voxels
from .network import SsimNet, StyleCode


class FieldInferer(HarmonizationInferer):
    """Calls the network with a box of at least `field` mm around what the source shows, in voxels of `voxel_mm`.

    If it is not `whole`, the box is gone through in windows of the size of `field`, `overlap` being the share that
    neighbours have in common: that is how a network is used that was trained on patches. What voxels of more than 1 mm
    do not show, the result has from the source. `detail`, if it is there, then takes all from the source but the
    brightness, so that what the network cannot rebuild is not lost (not in the paper).
    """

    def __init__(
        self,
        field: Sequence[int] = (152, 184, 152),
        voxel_mm: int = 1,
        whole: bool = True,
        overlap: float = 0.5,
        precision: str = "fp32",
        detail: CurveCarrier | None = None,
    ) -> None:
        check_field(field, voxel_mm)
        if not 0 <= overlap < 1:
            raise InputError(f"`overlap` must be at least 0 and below 1, got {overlap}")
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        self.field = tuple(field)
        self.voxel_mm = voxel_mm
        self.whole = whole
        self.overlap = overlap
        self.precision = precision
        self.detail = detail

    @torch.inference_mode()
    def harmonize(
        self, image: Tensor, network: SsimNet, targets: Sequence[StyleCode | None], available: Tensor | None = None
    ) -> list[Harmonized]:
        """Sources (4, X, Y, Z), of which the network's contrast counts, to one result for each target."""
        source = self._source(image, network)
        field, seen = self._look(source)
        part = field.cut(source)[None]
        rest = part - shrink_voxels(seen, self.voxel_mm)

        results = []
        for target in targets:
            with self._precise(source):
                made = self._pass(seen, network, target)
            result = (shrink_voxels(made, self.voxel_mm) + rest).clamp(min=0) * (part > 0)
            result = field.put_back(result[0], source.shape)
            results.append(result if self.detail is None else self.detail(result, source, seen, made))
        return [Harmonized(result) for result in results]

    @torch.inference_mode()
    def encode(self, image: Tensor, network: SsimNet) -> StyleCode:
        """The style of the network's contrast among images (4, X, Y, Z)."""
        _, seen = self._look(self._source(image, network))
        found = network.style(seen)
        return StyleCode(found.mean, found.labels)

    def _source(self, image: Tensor, network: SsimNet) -> Tensor:
        """(1, X, Y, Z)."""
        source = image[CONTRASTS.index(network.contrast), None].to(network.vectors.device)
        if not (source > 0).any():
            raise InputError(f"the {network.contrast} image must have voxels above 0, but it is missing or empty")
        return source

    def _look(self, source: Tensor) -> tuple[Field, Tensor]:
        """The box of a source, and what the network sees of it (1, 1, X', Y', Z')."""
        field = field_around(source[0] > 0, self.field, self.voxel_mm, grows=True)
        return field, enlarge_voxels(field.cut(source)[None], self.voxel_mm)

    def _pass(self, seen: Tensor, network: SsimNet, target: StyleCode | None) -> Tensor:
        if self.whole:
            return network(seen, target).float()
        if target is not None and target.noise is None:
            # One style for all windows.
            target = StyleCode(network.style(seen).mean, target.labels)
        window = [side // self.voxel_mm for side in self.field]
        result = sliding_window_inference(
            seen, window, 1, lambda part: network(part, target).float(), self.overlap, mode="gaussian"
        )
        assert isinstance(result, Tensor)
        return result

    def _precise(self, volume: Tensor) -> torch.autocast:
        dtype = PRECISIONS[self.precision]
        return torch.autocast(volume.device.type, dtype, enabled=dtype != torch.float32)
