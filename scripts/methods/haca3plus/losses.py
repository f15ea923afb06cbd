"""Losses of the harmonizer and of the artifact encoder; every function takes float tensors and weights of pixels."""

import torch
from torch import Tensor


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values (B, C, ...) over all pixels, weighted by (B, 1, ...)."""
    return (values * weight).sum() / (weight.sum() * values.shape[1]).clamp(min=1.0)


def image_loss(image: Tensor, truth: Tensor, weight: Tensor, gradient: float, square: float) -> Tensor:
    """|x - t| + square (x - t)^2 + gradient (|dx/dh - dt/dh| + |dx/dw - dt/dw|), each a weighted mean."""
    error = image - truth
    rows, columns = error.diff(dim=2).abs(), error.diff(dim=3).abs()
    along = weighted_mean(rows, torch.minimum(weight[:, :, 1:], weight[:, :, :-1]))
    across = weighted_mean(columns, torch.minimum(weight[..., 1:], weight[..., :-1]))
    return weighted_mean(error.abs() + square * error.square(), weight) + gradient * (along + across)


def tissue_loss(logits: Tensor, shares: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of logits (B, T, ...) to known shares of tissues (B, T, ...)."""
    return weighted_mean(-(shares * logits.float().log_softmax(1)).sum(1, keepdim=True), weight)


def severity_loss(clean: Tensor, degraded: Tensor, severity: Tensor, other_clean: Tensor, rest: float) -> Tensor:
    """The triplet loss of eta (N, E) with the severity (N,) as its margin, and a rest at 0 for what is clean.

        mean(max(0, |a - p| - |a - n| + m) + ||n| - m|) + rest mean(|a| + |p|)

    with anchor a and positive p clean, n degraded and the margin m its severity, which |eta|, the score, is to be.
    """
    if not len(clean):
        return clean.sum()
    near, far = _norm(clean - other_clean), _norm(clean - degraded)
    triplet = (near - far + severity).relu() + (_norm(degraded) - severity).abs()
    return (triplet + rest * (_norm(clean) + _norm(other_clean))).mean()


def _norm(values: Tensor) -> Tensor:
    # Of a vector of zeros the norm has no gradient.
    return (values.square().sum(1) + 1e-8).sqrt()
