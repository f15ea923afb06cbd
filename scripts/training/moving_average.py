"""Weights that are the mean of those that training went through."""

from collections.abc import Mapping
from math import inf
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..base.errors import InputError
from ..base.weights import refuse_other_network


class MovingAverage:
    """An exponential moving average of the weights of a network, in a copy of it, the `network` of this one.

    With each update a weight of the copy becomes decay * itself + (1 - decay) * the network's, the first time the
    network's. What is no parameter is copied; where it is a running mean of what the weights make (`statistics`), it
    has to follow as slowly as they do.

    Of the first updates the decay is lower, so that the average is not held back by weights that had learned little: at
    most (1 + n) / (`warm_up` + 1 + n) after n updates.
    """

    def __init__(
        self, network: nn.Module, decay: float = 0.999, warm_up: float = 0.0, statistics: bool = False
    ) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"`decay` must be at least 0 and below 1, got {decay}")
        if not 0 <= warm_up < inf:
            raise InputError(f"`warm_up` must be a number of at least 0, got {warm_up}")
        self.followed = network
        self.decay = decay
        self.warm_up = warm_up
        self.average = AveragedModel(network, multi_avg_fn=self._follow, use_buffers=statistics)
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

    def _follow(self, averaged: Any, followed: Any, updates: Any) -> None:
        count = float(updates)
        decay = min(self.decay, (1 + count) / (self.warm_up + 1 + count))
        get_ema_multi_avg_fn(decay)(averaged, followed, updates)

    def state_dict(self) -> dict[str, Any]:
        """The copy's weights and how often it was updated."""
        return self.average.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        refuse_other_network(state, self.average.state_dict(), "the moving average")
        self.average.load_state_dict(state)
