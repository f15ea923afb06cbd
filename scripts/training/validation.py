"""How good the harmonizer is on slices that it was not trained on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from ignite.engine import Engine
from ignite.metrics import Metric
from torch import Tensor

from ..metrics.ssim import windowed_ssim


class FixedBatches:
    """The batches of a loader's first epoch, made once and kept."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self.loader = loader
        self.batches: list[Any] = []

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        """The batches."""
        if not self.batches:
            self.batches = list(self.loader)
        return iter(self.batches)


class OutputMetric(Metric):
    """What `update` finds in an evaluator's whole outputs, of which ignite's metrics expect two entries."""

    def iteration_completed(self, engine: Engine) -> None:
        """Take the whole output."""
        output: Any = engine.state.output
        self.update(output)


class MeanOfOutputs(OutputMetric):
    """The mean of what `update` finds."""

    def reset(self) -> None:
        """Forget what was found."""
        self.values: list[float] = []

    def compute(self) -> float:
        """The mean."""
        return float(np.mean(self.values))


class ImageMetric(MeanOfOutputs):
    """Mean of a metric (image, reference, mask) over the slices or volumes in which some of the mask is visible."""

    def __init__(self, metric: Callable[[np.ndarray, np.ndarray, np.ndarray], float], image: str = "pred") -> None:
        self.metric = metric
        self.image = image
        super().__init__()

    def update(self, output: Mapping[str, Tensor]) -> None:
        """Measure a batch."""
        arrays = (output[key][:, 0].numpy() for key in (self.image, "target", "mask"))
        for image, reference, mask in zip(*arrays, strict=True):
            if mask.any():
                self.values.append(self.metric(image, reference, mask > 0))


class MeanLoss(MeanOfOutputs):
    """Mean over batches of what the evaluator's `losses` hold under a name."""

    def __init__(self, name: str = "total") -> None:
        self.name = name
        super().__init__()

    def update(self, output: Mapping[str, Any]) -> None:
        """Take in a batch."""
        self.values.append(output["losses"][self.name])


def slice_ssim(image: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> float:
    """Mean SSIM of local windows."""
    return windowed_ssim(image, reference, mask).value
