"""The losses of MISPEL's two steps of training.

Letters in shapes: B slices, M scanners, L embeddings. A mean over the batch and over pixels is taken of each term.
"""

from itertools import combinations

import torch
from torch import Tensor, nn


def reconstruction_loss(images: Tensor, outputs: Tensor) -> Tensor:
    """Sum over scanners of the mean absolute error of (B, M, H, W)."""
    return (outputs - images).abs().mean((0, 2, 3)).sum()  # Eq. (2)


def coupling_loss(embeddings: Tensor) -> Tensor:
    """Mean over embeddings and pixels of the variance over scanners of Z (B, M, L, H, W); it divides by M."""
    return embeddings.var(1, correction=0).mean()  # Eq. (3)


def harmonization_loss(outputs: Tensor) -> Tensor:
    """Mean over the M (M - 1) / 2 pairs of scanners of the mean absolute difference of (B, M, H, W)."""
    pairs = combinations(outputs.unbind(1), 2)
    return torch.stack([(first - second).abs().mean() for first, second in pairs]).mean()  # Eq. (5)


def embedding_norm(embeddings: Tensor) -> Tensor:
    """Root mean square of Z.

    Z times c with gamma through c makes the same image at c^2 of the coupling: whoever reads a coupling needs this too.
    """
    return embeddings.detach().square().mean().sqrt()


class EmbeddingLoss(nn.Module):
    """Step 1: `reconstruction` is lambda_1, `coupling` lambda_2.

    A `relative` coupling is multiplied by the mean of |gamma|^2 over scanners. It is then in the unit of images, and Z
    times c with gamma through c leaves it as it is.
    """

    def __init__(self, reconstruction: float = 1.0, coupling: float = 0.3, relative: bool = False) -> None:
        super().__init__()
        self.reconstruction, self.coupling, self.relative = reconstruction, coupling, relative

    def forward(self, images: Tensor, outputs: Tensor, embeddings: Tensor, gammas: Tensor) -> dict[str, Tensor]:
        """The losses by name, of images and outputs (B, M, H, W), Z (B, M, L, H, W) and gammas (M, L)."""
        reconstruction, coupling = reconstruction_loss(images, outputs), coupling_loss(embeddings)
        if self.relative:
            coupling = coupling * gammas.square().sum(1).mean()
        total = self.reconstruction * reconstruction + self.coupling * coupling  # Eq. (4)
        norm = embedding_norm(embeddings)
        return {"reconstruction": reconstruction, "coupling": coupling, "embedding_norm": norm, "total": total}


class DecoderLoss(nn.Module):
    """Step 2: `reconstruction` is lambda_3, `harmonization` lambda_4. Called as step 1's, so gammas do not count."""

    def __init__(self, reconstruction: float = 1.0, harmonization: float = 4.0) -> None:
        super().__init__()
        self.reconstruction, self.harmonization = reconstruction, harmonization

    def forward(self, images: Tensor, outputs: Tensor, embeddings: Tensor, gammas: Tensor) -> dict[str, Tensor]:
        """The losses by name, of images and outputs (B, M, H, W), Z (B, M, L, H, W) and gammas (M, L)."""
        reconstruction, harmonization = reconstruction_loss(images, outputs), harmonization_loss(outputs)
        total = self.reconstruction * reconstruction + self.harmonization * harmonization  # Eq. (6)
        norm = embedding_norm(embeddings)
        return {
            "reconstruction": reconstruction,
            "harmonization": harmonization,
            "embedding_norm": norm,
            "total": total,
        }
