"""What a training starts from."""

from pathlib import Path
from typing import TypeVar

from torch import nn

from ..base.weights import load_weights

Network = TypeVar("Network", bound=nn.Module)


def start_from_earlier(network: Network, initial: Path | str | None, advice: str) -> Network:
    """Fill the network from the file `initial`, where given, that `advice` says how to get."""
    if initial:
        load_weights(network, initial, advice)
    return network
