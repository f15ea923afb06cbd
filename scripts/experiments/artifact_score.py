"""What the artifact encoder's score tells of slices: how bad they are, and not which contrast or site they are of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import torch
from torch import Tensor

from ..base.arguments import check_whole
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..harmonize.usual_scores import usual_scores
from ..methods.base import Method
from ..methods.haca3.network import Haca3
from ..methods.haca3.triplets import ArtifactTripletd
from ..metrics.ssim import windowed_ssim
from ..training.samples import Sample
from ..training.slices import SliceStream
from .artifact_score_table import ScoreRow, artifact_score_markdown
from .experiment import Experiment


@dataclass(frozen=True, eq=False, kw_only=True)
class ArtifactScore(Experiment[ScoreRow]):
    """Scores `samples` slices, clean and with an artifact, spread evenly over people.

    Contrast and artifact are drawn as in training. A person's slices are drawn from those of all visits, for which the
    buffer of `slices`, those of `people`, must hold them all. An artifact is severe from the severity `severe` on.
    """

    network: Haca3
    slices: SliceStream
    samples: int = 2000
    severe: float = 0.5
    seed: int = 1
    batch_size: int = 1
    upper: float = 5.0
    method: Method | None = None
    named_targets: str | None = None
    """A file of targets of the `method` that tell which score is usual for a contrast; without it none is known."""

    name: ClassVar[str] = "artifact score"
    row: ClassVar[type] = ScoreRow
    table_settings: ClassVar[Sequence[str]] = ("severe", "named_targets", "method")

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        super().__post_init__()
        check_whole("batch_size", self.batch_size)
        people, stream = len(self.people.draw().subjects), self.slices
        check_whole("samples", self.samples, least=people)
        slices = stream.samples_per_scan * self.people.visits_per_person
        if not -(-self.samples // people) <= slices <= stream.buffer_size:
            raise InputError(
                f"`samples` of a person must be at most the {slices} slices of the visits, and these at most the "
                f"`buffer_size` {stream.buffer_size}, got {self.samples} samples of {people} people"
            )

    def table(self, rows: Sequence[ScoreRow]) -> str:
        """See `artifact_score_table.py`."""
        maker, contrasts, usual = self.weights.code_maker, {row.contrast for row in rows}, {}
        if self.method is not None:
            usual = usual_scores(self.method, self.named_targets, maker, head=False, contrasts=contrasts)
        return artifact_score_markdown(rows, self.severe, usual)

    def measure(self, number: int) -> list[ScoreRow]:
        """Score the person's share of the samples."""
        samples = list(map(ArtifactTripletd(self.seed, upper=self.upper), self._samples(number)))
        clean, degraded = (self._scores(torch.stack([s[role] for s in samples])) for role in ("anchor", "negative"))
        return [
            ScoreRow(
                subject=sample["subject"],
                scanner=sample["scanner"],
                site=sample["site"],
                contrast=CONTRASTS[int(sample["contrast"])],
                orientation=sample["orientation"],
                slice=sample["slice"],
                kind=sample["kind"],
                severity=float(sample["severity"]),
                clean=clean_score,
                degraded=degraded_score,
                ssim_loss=_ssim_loss(sample["anchor"], sample["negative"]),
            )
            for sample, clean_score, degraded_score in zip(samples, clean, degraded, strict=True)
        ]

    def _samples(self, number: int) -> Iterator[Sample]:
        people = len(self.people.draw().subjects)
        share = self.samples // people + (number < self.samples % people)
        stream = replace(self.slices, rounds=1)
        # As many processes as people: each has the samples of one.
        stream.set_epoch(1, number, people)
        return islice(iter(stream), share)

    @torch.inference_mode()
    def _scores(self, slices: Tensor) -> list[float]:
        """Of slices (B, 1, H, W)."""
        encoder, device = self.network.artifact_encoder, self.network.default_target.device
        codes = torch.cat([encoder(batch.to(device)) for batch in slices.split(self.batch_size)])
        return codes.norm(dim=1).tolist()


def _ssim_loss(clean: Tensor, degraded: Tensor) -> float:
    """What severity stands for: how much less like itself a slice (1, H, W) is, where it shows something."""
    image, reference = degraded[0].numpy(), clean[0].numpy()
    return 1.0 - windowed_ssim(image, reference, reference > 0).value
