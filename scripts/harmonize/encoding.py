"""Says what the encoders see in the sources of a run, without harmonizing them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..jobs.targets import TargetCode
from ..methods.haca3.levels import LevelCalibration
from ..methods.haca3.network import Haca3
from ..methods.haca3.tone import ToneCalibration
from ..methods.haca3.triplanar import TriPlanarInferer
from .model_weights import ModelWeights
from .outputs import Outputs
from .results import Results
from .subjects import Done, Failure, Subject, to_failure


@dataclass(frozen=True)
class Encoding:
    """Writes a table of codes for each subject, and the code of each source, which can be a target of other runs."""

    data_loader: DataLoader
    network: Haca3
    inferer: TriPlanarInferer
    outputs: Outputs
    weights: ModelWeights
    tone: ToneCalibration | None = None
    levels: LevelCalibration | None = None

    def __post_init__(self) -> None:
        """Refuse a method that has no codes."""
        if not isinstance(self.inferer, TriPlanarInferer):
            raise InputError(
                f"encoding needs a method with codes, as HACA3 is one; `inferer` is a {type(self.inferer).__name__}"
            )

    def run(self) -> None:
        """Subject by subject; raise at the end if some could not be encoded."""
        self.weights.load()
        with self.outputs.claim():
            dataset: Any = self.data_loader.dataset
            results = Results(dataset.data, Path(self.outputs.folder), "encode")
            for item in self.data_loader:
                results.add(self._try(item) if isinstance(item, Subject) else item)
            results.raise_failures()

    def _try(self, subject: Subject) -> Done | Failure:
        try:
            return Done(subject.job, self._encode(subject))
        except Exception as error:
            return to_failure(subject.job, error)

    @torch.inference_mode()
    def _encode(self, subject: Subject) -> list[Path]:
        image = subject.data["image"]
        features = self.inferer.encode(image, self.network, subject.data["available"])
        codes = []
        for contrast, native in subject.images.items():
            channel = CONTRASTS.index(contrast)
            code = self.network.encode_target(image[None, channel, None], contrast)
            tone = None if self.tone is None else self.tone(self.network, image[channel], contrast, code)
            levels = None if self.levels is None else self.levels(self.network, image, contrast, code)
            theta, eta = code[0, : self.network.theta].tolist(), code[0, self.network.theta :].tolist()
            scale = float(subject.data["scale"][channel])
            origin, maker = native.path.name, self.weights.code_maker
            head = self.outputs.shows_head(image[channel])
            codes.append(
                TargetCode(
                    contrast, tuple(theta), tuple(eta), scale, origin, maker, tone=tone, levels=levels, head=head
                )
            )
        return self.outputs.write_codes(subject, features, codes)
