"""How good the network is for people and scanners that it was not trained on, beside no and a classical harmonization.

Images are compared with the clean truth in the brain, in the units of the target:

    network          what the network makes of all sources
    unharmonized     the source of the target's contrast as it is
    matched          that source, its percentiles brought to the target's (line from percentile to percentile)
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...inferers.precision import PRECISIONS, autocast
from ...metrics.image import psnr
from ...training.validation import MeanOfOutputs, slice_ssim
from .curve import apply_curve, slopes
from .network import HarmonizationNet
from .tissue_levels import carry_over

MEASURES = {"psnr": psnr, "ssim": slice_ssim}


class HarmonizeHeldOut:
    """An evaluator's iteration: each contrast of a batch of the slice sampler as the target's scanner would show it.

    Its outcome has the images `source`, `pred`, `matched` and `target` (B, 4, H, W), `mask` (B, 4, H, W), the brain as
    far as the contrast's source shows it, empty where there is none, and of each sample `own`, whether the target image
    is of the source's own person.
    """

    def __init__(self, network: HarmonizationNet, precision: str = "fp32", brain_tissues: int = 5) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        self.network = network
        self.dtype = PRECISIONS[precision]
        self.brain_tissues = brain_tissues

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Harmonize all contrasts."""
        self.network.eval()
        device = next(self.network.parameters()).device
        given = {name: value.to(device) for name, value in batch.items() if isinstance(value, Tensor)}
        with torch.inference_mode(), autocast(self.dtype, device):
            images = self._harmonize(given)
        source, knots, target_knots = given["source"], given["source_percentiles"], given["target_percentiles"]
        slope = slopes(knots.flatten(0, 1), target_knots.flatten(0, 1))
        matched = apply_curve(source.flatten(0, 1).unsqueeze(1), knots.flatten(0, 1), slope).view(source.shape)
        brain = given["tissue"][:, : self.brain_tissues].sum(1, keepdim=True) > 0.5
        mask = brain & self.network.foreground(source) & (given["available"] != 0)[..., None, None]
        found = {"source": source, "pred": images, "matched": matched, "target": given["truth"], "mask": mask}
        return {**{name: value.float().cpu() for name, value in found.items()}, "own": given["same_person"].cpu()}

    def _harmonize(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Images (B, 4, H, W) of all contrasts, each with the code of the target image."""
        network, source, available = self.network, batch["source"], batch["available"].to(batch["source"].dtype)
        kinds = torch.eye(network.contrasts, device=source.device)

        def codes(images: Tensor, percentiles: Tensor) -> Tensor:
            each = [
                network.encode(images[:, c : c + 1], percentiles[:, c], kinds[c].expand(len(images), -1))
                for c in range(network.contrasts)
            ]
            return torch.stack(each, dim=1)

        sources = codes(source, batch["source_percentiles"])
        targets = codes(batch["target_image"], batch["target_percentiles"])
        known = [batch[name].flatten(0, 1) for name in ("source_percentiles", "source_levels", "target_levels")]
        carried = carry_over(*known).unflatten(0, targets.shape[:2])
        place = slice(network.layout.eta_end, network.layout.percentiles_end)
        there = (available != 0).unsqueeze(-1)
        targets[..., place] = torch.where(there, carried, targets[..., place])
        seen = network.see(source, sources, available)
        drawn = [network.draw(source, seen, target, sources, available).image for target in targets.unbind(1)]
        return torch.cat(drawn, dim=1).float()


class HeldOutTable(MeanOfOutputs):
    """Mean PSNR of the network's images where the target image is of another person, over contrasts.

    Beside it the evaluator's metrics get a table: means by whose target, contrast, image and measure under names like
    `other_t1w_network_psnr`. Slices that show less than `least_pixels` of the brain do not count.
    """

    images: Mapping[str, str] = {"network": "pred", "unharmonized": "source", "matched": "matched"}

    def __init__(self, least_pixels: int = 1500) -> None:
        self.least_pixels = least_pixels
        super().__init__()

    def reset(self) -> None:
        """Forget what was found."""
        super().reset()
        self.found: dict[str, list[float]] = {}

    def update(self, output: Mapping[str, Any]) -> None:
        """Measure a batch."""
        for sample, own in enumerate(output["own"].tolist()):
            for place, contrast in enumerate(CONTRASTS):
                mask = output["mask"][sample, place].numpy() > 0
                if mask.sum() < self.least_pixels:
                    continue
                truth = output["target"][sample, place].numpy()
                for image, key in self.images.items():
                    for name, measure in MEASURES.items():
                        label = f"{'own' if own else 'other'}_{contrast}_{image}_{name}"
                        value = measure(output[key][sample, place].numpy(), truth, mask)
                        self.found.setdefault(label, []).append(value)

    def table(self) -> dict[str, float]:
        """The means by name."""
        return {name: float(np.mean(self.found[name])) for name in sorted(self.found)}

    def compute(self) -> float:
        """The mean over contrasts of the network's PSNR; not a number where nothing was found."""
        values = list(self._of_others(self.table()))
        return float(np.mean(values)) if values else float("nan")

    def completed(self, engine: Engine, name: str) -> None:
        """Hand the mean and the table to the engine."""
        super().completed(engine, name)
        engine.state.metrics.update(self.table())

    def _of_others(self, table: Mapping[str, float]) -> Iterator[float]:
        for contrast in CONTRASTS:
            if f"other_{contrast}_network_psnr" in table:
                yield table[f"other_{contrast}_network_psnr"]
