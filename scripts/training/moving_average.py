"""Weights that are the mean of those that training went through."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..base.errors import InputError
from ..base.weights import refuse_other_network


class MovingAverage:
    """An exponential moving average of the weights of a network, in a copy of it, the `network` of this one.

    With each update a weight of the copy becomes decay * itself + (1 - decay) * the network's, the first time the
    network's. What is no parameter, such as a running mean, is copied.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"`decay` must be at least 0 and below 1, got {decay}")
        self.followed = network
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.average.requires_grad_(False).eval()

    @property
    def network(self) -> nn.Module:
        """The copy."""
        copy: nn.Module = self.average.module
        return copy

    @torch.no_grad()
    def update(self) -> None:
        """Follow the network."""
        self.average.update_parameters(self.followed)

    def state_dict(self) -> dict[str, Any]:
        """The copy's weights and how often it was updated."""
        return self.average.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        refuse_other_network(state, self.average.state_dict(), "the moving average")
        self.average.load_state_dict(state)
