"""The encoders of HACA3, as one part of its network."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Encoders:
    """What takes a slice (B, 1, H, W) apart, and how many numbers each gives: `classes`, `theta` and `eta`.

    `anatomy` gives logits of the classes (B, K, H, W), `contrast` mean and log-variance of theta, each (B, theta), and
    `artifact` eta (B, eta). With a `detail` encoder, which HACA3 has not, features (B, F, H, W) come to the anatomy.
    """

    anatomy: nn.Module
    contrast: nn.Module
    artifact: nn.Module
    detail: nn.Module | None = None
    classes: int = 5
    theta: int = 2
    eta: int = 2
