"""Volumes through the stages of MMH."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...base.arguments import check_whole
from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.steps import tell
from ...inferers.harmonization import HarmonizationInferer, Harmonized
from ...inferers.precision import PRECISIONS
from .network import DiffusionModel, Mmh
from .sampling import DdimSampler


class DiffusionInferer(HarmonizationInferer):
    """Inverts and samples whole volumes by the `sampler`, `batch_size` at a time."""

    def __init__(self, sampler: DdimSampler, precision: str = "fp32", batch_size: int = 1) -> None:
        check_whole("batch_size", batch_size)
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        self.sampler = sampler
        self.precision = precision
        self.batch_size = batch_size

    @torch.inference_mode()
    def harmonize(
        self, image: Tensor, network: Mmh, targets: Sequence[str], available: Tensor | None = None
    ) -> list[Harmonized]:
        """One result for each of `targets`, the contrasts of those sources (4, X, Y, Z) that are wanted."""
        results: list[Harmonized] = []
        for start in range(0, len(targets), self.batch_size):
            contrasts = targets[start : start + self.batch_size]
            channels = [CONTRASTS.index(network.known_contrast(contrast)) for contrast in contrasts]
            volumes = image[channels][:, None].to(network.model.records.mean.device)
            for contrast, volume in zip(contrasts, volumes, strict=True):
                if not volume.any():
                    raise InputError(f"source `{contrast}` is what MMH harmonizes, but it is missing or empty")
            results += [Harmonized(made) for made in self._pass(volumes, network, contrasts)]
        return results

    def _pass(self, volumes: Tensor, network: Mmh, contrasts: Sequence[str]) -> Tensor:
        """Results (B, 1, X, Y, Z) of volumes of as many `contrasts`."""
        small = network.grid.to_network(volumes, " and ".join(contrasts))
        indices = torch.cat([network.index(contrast) for contrast in contrasts])
        made = self.unify(network, small, indices)
        if network.target is not None:
            made = self._through(network, network.target, made, network.condition(small), indices, 1)
        return network.grid.from_network(made, volumes)

    @torch.inference_mode()
    def unify(self, network: Mmh, volumes: Tensor, contrasts: Tensor) -> Tensor:
        """The first stage: volumes (B, 1, X, Y, Z) of the network's grid in the style common to all."""
        return self._through(network, network.model, volumes, network.condition(volumes), contrasts, 0)

    def _through(
        self, network: Mmh, model: DiffusionModel, volumes: Tensor, condition: Tensor, contrasts: Tensor, stage: int
    ) -> Tensor:
        """Up by the model common to all, and down by `model`; values outside of [-1, 1] are cut."""
        stages = 1 if network.target is None else 2
        steps, dtype = self.sampler.steps, PRECISIONS[self.precision]

        def tell_steps(done: int) -> None:
            tell("harmonize volumes", (stage + done / steps) / stages)

        with torch.autocast(volumes.device.type, dtype, enabled=dtype != torch.float32):
            noisy = self.sampler.invert(network.upwards(volumes), volumes, condition, contrasts, tell_steps)
            made = self.sampler.sample(
                model.downwards(volumes),
                noisy,
                condition,
                contrasts,
                lambda done: tell_steps(self.sampler.steps_up + done),
            )
        return made.float().clamp(-1, 1)
