"""The loss of HACA3+'s artifact encoder: scores that rank slices by the severity of their artifacts (HACA3+, Eq. 1).

    a, p, n   codes eta (B, D) of an anchor without artifact, of a positive, another slice of the same quality, and of
              a negative, the anchor degraded by an artifact of severity m
    S         the score of a slice, |eta|

As printed, Eq. 1 asks for S_n + m <= S_a <= S_p - m, against the text around it: the clean anchor is to have a lower
score than the degraded negative. The text is followed here, with the severity itself as the margin m:

    ranking     max(0, S_a + m - S_n)     the negative's score exceeds the anchor's by m ...
    excess      max(0, S_n - S_a - m)     ... and by no more, so that scores grow with severity
    closeness   |a - p|                   slices of the same quality are alike
    clean       S_a + S_p                 whatever their contrast and scanner, clean slices score 0
"""

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from ...layers.loss_precision import in_float32
from .weighting import check_weights, with_total


class DynamicMarginTripletLoss(nn.Module):
    """Means of the four terms over the batch, where the paper has the sum; arguments are the terms' weights.

    Without `excess` the scores of weak artifacts exceed their severity; with `clean` at 10, as an earlier 1D scorer has
    it, all scores stay near 0.
    """

    def __init__(self, ranking: float = 1.0, excess: float = 1.0, closeness: float = 1.0, clean: float = 0.1) -> None:
        super().__init__()
        self.weights = check_weights(ranking=ranking, excess=excess, closeness=closeness, clean=clean)

    @in_float32
    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor, severity: Tensor) -> dict[str, Tensor]:
        """Codes (B, D) and the negatives' severities (B,)."""
        anchor_score, positive_score = vector_norm(anchor, dim=1), vector_norm(positive, dim=1)
        missing = anchor_score + severity - vector_norm(negative, dim=1)
        terms = {
            "ranking": missing.relu(),  # Eq. 1, second term, the other way round
            "excess": (-missing).relu(),
            "closeness": vector_norm(anchor - positive, dim=1),  # in place of Eq. 1's first term
            "clean": anchor_score + positive_score,
        }
        return with_total({name: torch.mean(term) for name, term in terms.items()}, self.weights)
