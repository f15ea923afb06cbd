"""Says what a method sees in the sources of a run, without harmonizing them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..methods.base import Method
from .model_weights import ModelWeights
from .outputs import Outputs
from .results import Results
from .subjects import Done, Failure, Subject, to_failure
from .targets import scale_of


@dataclass(frozen=True)
class Encoding:
    """Writes a table of codes for each subject, and the code of each source, which can be a target of other runs."""

    data_loader: DataLoader
    method: Method
    outputs: Outputs
    weights: ModelWeights

    def __post_init__(self) -> None:
        """Refuse a method that has no codes to keep."""
        if not self.method.can.stored_codes:
            raise InputError(f"encoding needs a method whose codes can be kept, as HACA3's; this is {self.method.name}")

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

    def _encode(self, subject: Subject) -> list[Path]:
        image, codes = subject.data["image"], []
        for contrast, native in subject.images.items():
            channel = CONTRASTS.index(contrast)
            code = replace(
                self.method.encode(image, contrast, when_absent=True),
                scale=scale_of(subject.data, channel),
                origin=native.path.name,
                weights=self.weights.code_maker,
                head=self.outputs.shows_head(image[channel]),
            )
            codes.append(code.to_json())
        features = self.method.features(subject.data)
        table = None if features is None else self.method.features_table({"": features})
        return self.outputs.write_codes(subject, table, codes)
