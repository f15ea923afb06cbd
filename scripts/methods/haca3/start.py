"""What a training starts from."""

from pathlib import Path
from typing import TypeVar

from torch import nn

from ...base.errors import InputError
from ...base.weights import load_weights
from .network import Haca3

Network = TypeVar("Network", bound=nn.Module)


def start_from_earlier(network: Network, initial: Path | str | None, advice: str) -> Network:
    """Fill the network from the file `initial`, where given, that `advice` says how to get."""
    if initial:
        load_weights(network, initial, advice)
    return network


def start_from(network: Haca3, artifact: Path | str | None = None, initial: Path | str | None = None) -> Haca3:
    """Fill the whole network from the file `initial`, then its artifact encoder from `artifact`, where given."""
    if initial:
        load_weights(network, initial)
    if artifact:
        if not Path(artifact).is_file():
            raise InputError(
                f"`artifact_weights` {artifact} must be a file, there is none; train it first, with train_artifact.json"
            )
        load_weights(network.artifact_encoder, artifact)
    return network
