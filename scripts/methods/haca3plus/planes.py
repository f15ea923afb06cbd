"""A subject's sources through HACA3+ in three planes, fused to one volume by the median.

The network does not depend on what lies around the brain, so that everything outside of the sources' bounding box is
left out. The sources are encoded once, however many targets there are.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.steps import tell
from ...images.orientations import ORIENTATIONS, plane_view
from ...inferers.harmonization import HarmonizationInferer, Harmonized
from ...inferers.precision import PRECISIONS, NetworkPreparation, autocast
from ..haca3.features import SliceFeatures
from .network import HarmonizationNet
from .plane_slices import PlaneSettings, PlaneSlices, Subject, Wanted, bounding_box, first_slices, framed
from .tissue_levels import TISSUES, Brightness, aimed_at, volume_levels
from .trust import TrustLaw, likeness
from .volume_code import VolumeCode, code_features, evenly_spread

logger = logging.getLogger(__name__)

# Less trust than this is told of in the log; sidecars have any.
_WORTH_SAYING = 0.5


class PlanesInferer(HarmonizationInferer):
    """Harmonizes slices in batches of `batch_size`, in `orientations`, in `precision`.

    On a CPU, `workers` batches are worked on side by side. Where `compiled`, the heavy parts of the network are, which
    repays itself in a cohort; then there must be one worker.

    The code of a volume is the mean over `code_slices` slices of each orientation, evenly spread over what shows most.
    Of what comes from the source of the target's contrast, `detail` is the share that is taken, the decoded image being
    the rest; where it is `auto`, each place has its own share, by how much the two differ there. `trust` says how far
    the network may change the source, or take its place, without limit if there is none. With `attention` and
    `uncertainty`, the standard deviation between the planes, there are maps of these.
    """

    def __init__(
        self,
        precision: str = "fp32",
        batch_size: int = 4,
        workers: int = 1,
        orientations: Sequence[str] = ORIENTATIONS,
        code_slices: int = 8,
        detail: float | Literal["auto"] = 1.0,
        attention: bool = False,
        uncertainty: bool = False,
        compiled: bool = False,
        trust: TrustLaw | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        for name, value in (("batch_size", batch_size), ("workers", workers), ("code_slices", code_slices)):
            if value < 1:
                raise InputError(f"`{name}` must be at least 1, got {value}")
        if not orientations or len(set(orientations)) < len(orientations) or not set(orientations) <= set(ORIENTATIONS):
            raise InputError(f"`orientations` must be some of {', '.join(ORIENTATIONS)}, got {list(orientations)}")
        if compiled and workers > 1:
            raise InputError(f"`workers` must be 1 where `compiled` is true, got {workers}")
        if uncertainty and len(orientations) == 1:
            raise InputError("`uncertainty` needs at least two `orientations`, got one")
        if detail != "auto" and (not isinstance(detail, int | float) or not 0 <= detail <= 1):
            raise InputError(f"`carry_detail` must be auto, true, false or a number from 0 to 1, got {detail!r}")
        self.precision = precision
        # Private, because they change nothing but rounding.
        self._batch_size = batch_size
        self._workers = workers
        self._prepare = NetworkPreparation(compiled=compiled)
        self.orientations = tuple(orientations)
        self.code_slices = code_slices
        self.detail: float | Literal["auto"] = detail if detail == "auto" else float(detail)
        self.attention = attention
        self.uncertainty = uncertainty
        self.trust = trust
        self.maps = ("imputed", *["attention"] * attention, *["uncertainty"] * uncertainty)

    @torch.inference_mode()
    def harmonize(
        self,
        image: Tensor,
        network: HarmonizationNet,
        targets: Sequence[Tensor | None],
        available: Tensor | None = None,
    ) -> list[Harmonized]:
        """Sources (4, X, Y, Z), normalised, to one result for each target.

        A target is a code (1, D), or one with the levels of its tissues and its extent behind it (1, D + T + 1).
        """
        network = self._prepare(network)
        subject = Subject(image, network, available)
        codes = [self.encode_volume(network, image[c], CONTRASTS[c]) for c in subject.channels]
        given = [network.default_target if t is None else t.to(subject.device) for t in targets]
        means = network.default_target.new_zeros(1, len(CONTRASTS), network.layout.length)
        for channel, code in zip(subject.channels, codes, strict=True):
            means[0, channel] = code.mean[0]
        known = dict(zip(subject.channels, codes, strict=True))
        wanted = [_for_person(network, target, known) for target in given]
        dtype = PRECISIONS[self.precision]
        settings = PlaneSettings(dtype, self._batch_size, self._workers, self.detail, self.attention)
        made = {int(network.layout.contrast(target.code)[0].argmax()) for target in wanted}
        # What is made of other contrasts alone starts at nothing that could be kept.
        trust = self._trust(network, subject, means, known) if known.keys() & made else {}
        passes = [PlaneSlices(subject, network, plane, means, wanted, trust, settings) for plane in self.orientations]
        for plane in passes:
            plane.run()
        tell("fuse")
        return [self._result(subject, passes, codes, trust, index) for index in range(len(wanted))]

    @torch.inference_mode()
    def look(self, image: Tensor, network: HarmonizationNet, available: Tensor | None = None) -> SliceFeatures:
        """The codes of the sources alone."""
        subject = Subject(image, network, available)
        codes = [self.encode_volume(network, image[c], CONTRASTS[c]) for c in subject.channels]
        return code_features(subject, codes, network, None)

    @torch.inference_mode()
    def encode_volume(self, network: HarmonizationNet, volume: Tensor, contrast: str) -> VolumeCode:
        """The code of a normalised volume (X, Y, Z), of the box around what it shows; refuse one that shows nothing."""
        device = network.default_target.device
        shown = volume > network.foreground_threshold
        if not shown.any():
            least = network.foreground_threshold
            raise InputError(f"an image of {contrast} must show something above {least}, it shows nothing")
        box = bounding_box(shown)
        volume, shown, low = volume[box], shown[box], first_slices(box)
        values = np.percentile(volume[shown].numpy(force=True), 100 * network.quantiles.cpu().numpy())
        percentiles = torch.as_tensor(values, dtype=torch.float32, device=device)[None]
        one_hot = torch.tensor([[float(contrast == each) for each in CONTRASTS]], device=device)
        rows, seen, weights, areas, planes, indices = [], [], [], [], [], []
        for plane in self.orientations:
            places = evenly_spread(plane_view(shown, plane).sum((1, 2)), self.code_slices)
            slices = framed(plane_view(volume, plane)[places], plane, network.step)[:, None].to(device)
            for batch in slices.split(self._batch_size):
                with autocast(PRECISIONS[self.precision], device):
                    known = (each.expand(len(batch), -1) for each in (percentiles, one_hot))
                    row, weight = network.encode_levels(batch, *known)
                rows.append(row)
                seen.append(batch.flatten())
                weights.append(weight.transpose(0, 1).flatten(1))
                areas.append(network.foreground(batch).sum((1, 2, 3)).float())
            planes += [plane] * len(places)
            indices += (places + low[plane]).tolist()
        found, area = torch.cat(rows).float(), torch.cat(areas)
        mean = (found * (area / area.sum())[:, None]).sum(0, keepdim=True)
        levels = volume_levels(torch.cat(seen), torch.cat(weights, 1), area)[None]
        extent = shown.sum().float().view(1, 1).to(device)
        return VolumeCode(mean, found, tuple(planes), tuple(indices), area, levels, extent)

    def _trust(
        self, network: HarmonizationNet, subject: Subject, codes: Tensor, sources: Mapping[int, VolumeCode]
    ) -> dict[str, float]:
        """How far the network is trusted with each of the `sources`, whose `codes` are (1, 4, D), by contrast."""
        if self.trust is None:
            return {}
        plane = self.orientations[0]
        places = evenly_spread(plane_view(subject.visible[subject.box], plane).sum((1, 2)), self.code_slices)
        places = places.to(subject.device)
        image = framed(plane_view(subject.sources, plane)[:, places].transpose(0, 1), plane, network.step)
        available = subject.present.expand(len(image), -1)
        found: dict[str, float] = {}
        with autocast(PRECISIONS[self.precision], subject.device):
            seen = network.see(image, codes.expand(len(image), -1, -1), available)
            for channel, source in sources.items():
                own = source.mean.expand(len(image), -1)
                redrawn = network.draw(image, seen, own, codes.expand(len(image), -1, -1), available).decoded
                found[CONTRASTS[channel]] = likeness(redrawn, image[:, [channel]], seen.shown[:, [channel]])
        severity = {CONTRASTS[c]: float(network.layout.eta(source.mean).norm()) for c, source in sources.items()}
        trust = self.trust.of(found, severity)
        if min(trust.values()) < _WORTH_SAYING:
            logger.warning(
                "these scans are unlike what the network has learned (likeness %s), so its changes are not all made "
                "(%s); the rest is a match of the levels of tissue",
                ", ".join(f"{contrast} {value:.2f}" for contrast, value in found.items()),
                ", ".join(f"{contrast} {value:.0%}" for contrast, value in trust.items()),
            )
        return trust

    def _result(
        self,
        subject: Subject,
        passes: Sequence[PlaneSlices],
        codes: Sequence[VolumeCode],
        trust: Mapping[str, float],
        index: int,
    ) -> Harmonized:
        planes = torch.stack([plane.images[index] for plane in passes])
        image = subject.whole(planes.quantile(0.5, dim=0) if len(passes) % 2 == 0 else planes.median(0).values)
        attention = None
        if self.attention:
            shares = torch.stack([plane.attention[index] for plane in passes]).mean(0)
            attention = image.new_zeros(len(CONTRASTS), *image.shape)
            attention[subject.channels] = torch.stack([subject.whole(share) for share in shares])
        uncertainty = subject.whole(planes.std(0, correction=0))[None] if self.uncertainty else None
        features = code_features(subject, codes, passes[0].network, [plane.shares[index] for plane in passes], trust)
        return Harmonized(image[None], subject.foreground, subject.visible[None], attention, uncertainty, features)


def _for_person(network: HarmonizationNet, target: Tensor, sources: Mapping[int, VolumeCode]) -> Wanted:
    """A target as of the subject, whose `sources` are given by channel; Eqs. (12) and (13).

    Its code stays as it is where the subject lacks the target's contrast, or where no levels are known.
    """
    layout = network.layout
    code, levels, extent = target.tensor_split([layout.length, layout.length + len(TISSUES)], dim=1)
    channel = int(layout.contrast(code)[0].argmax())
    if channel not in sources or target.shape[1] == layout.length:
        return Wanted(code, torch.ones_like(code[:, :1]))
    own = sources[channel]
    aimed = aimed_at(
        Brightness(layout.percentiles(own.mean), own.levels, own.extent),
        Brightness(layout.percentiles(code), levels, extent),
    )
    if aimed.changed < _WORTH_SAYING:
        logger.info(
            "%s: the target differs from the source no more than two people of one scanner may, so that the levels of "
            "tissue are changed by %.0f%% of that",
            CONTRASTS[channel],
            100 * aimed.changed,
        )
    carried = torch.cat([code[:, : layout.eta_end], aimed.percentiles, layout.contrast(code)], dim=1)
    return Wanted(carried, aimed.corrected)
