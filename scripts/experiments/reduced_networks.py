"""HACA3+ with another attention and the same weights."""

import copy

from torch import nn

from ..base.errors import InputError
from ..methods.haca3.attention import ForegroundAttention, SourceAttention
from ..methods.haca3.network import Haca3


def alpha_of(network: Haca3) -> nn.Module:
    """What HACA3 and HACA3+ have in common; refuse a network that is not HACA3+."""
    if not isinstance(network.attention, ForegroundAttention):
        found = type(network.attention).__name__
        raise InputError(f"`network_def#attention` must be a ForegroundAttention, got a {found}")
    return network.attention.alpha


def with_attention(network: Haca3, attention: SourceAttention) -> Haca3:
    """A copy of the network that has this attention."""
    reduced = copy.deepcopy(network)
    reduced.attention = attention.to(network.default_target.device)
    return reduced.eval()
