"""What a training starts from."""

from pathlib import Path

from ...base.errors import InputError
from ...base.weights import load_weights
from .network import Haca3


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
