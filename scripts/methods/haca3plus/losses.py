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


def severity_loss(clean: Tensor, source: Tensor, severity: Tensor, rest: float, alike: float = 0.1) -> Tensor:
    """The triplet loss of eta (N, E), with the severity m (N,) of the sources' artifacts as its margin.

        mean(| |n| - |a| - m |) + alike mean(|a - p|) + rest mean(|a|)

    The anchors a are slices without artifact. A source of m > 0 is a negative n, whose score |n| is to exceed that of
    the anchor of its own volume by m, so that what a scanner does to all of its images does not count. A source of
    m = 0 is a positive p of the anchor.
    """
    loss = clean.sum() * 0
    degraded, score = severity > 0, _norm(clean)
    if degraded.any():
        loss = loss + (_norm(source) - score - severity)[degraded].abs().mean()
    if not degraded.all():
        loss = loss + alike * _norm(clean - source)[~degraded].mean()
    return loss + (rest * score.mean() if len(score) else 0)


def _norm(values: Tensor) -> Tensor:
    # Of a vector of zeros the norm has no gradient.
    return (values.square().sum(1) + 1e-8).sqrt()
