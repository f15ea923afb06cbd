"""How well scores tell how bad slices are, whatever gave the scores."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu, spearmanr

from .validation import OutputMetric


class ScoreMetric(OutputMetric):
    """A number that all scores of a validation have together."""

    def reset(self) -> None:
        """Forget the scores."""
        self.clean: list[float] = []
        self.degraded: list[float] = []
        self.severity: list[float] = []
        self.kind: list[str] = []

    def update(self, output: Mapping[str, Any]) -> None:
        """Take in a batch with `clean` and `degraded` scores, `severity` and `kind`."""
        self.clean += output["clean"].tolist()
        self.degraded += output["degraded"].tolist()
        self.severity += output["severity"].tolist()
        self.kind += output["kind"]

    @abstractmethod
    def compute(self) -> float:
        """The number."""


class SeverityCorrelation(ScoreMetric):
    """Spearman's correlation of severity and score within each kind of artifact, the mean over kinds; at most 1."""

    def compute(self) -> float:
        """The mean."""
        degraded, severity, kind = (np.array(values) for values in (self.degraded, self.severity, self.kind))
        each = [spearmanr(degraded[kind == one], severity[kind == one]).statistic for one in np.unique(kind)]
        return float(np.mean(each))


class CleanAuc(ScoreMetric):
    """How likely a slice with an artifact of at least `severity` scores above a clean one (the area under the ROC)."""

    def __init__(self, severity: float = 0.5) -> None:
        self.least = severity
        super().__init__()

    def compute(self) -> float:
        """The area."""
        severe = np.array(self.degraded)[np.array(self.severity) >= self.least]
        return float(mannwhitneyu(severe, self.clean).statistic / (len(severe) * len(self.clean)))
