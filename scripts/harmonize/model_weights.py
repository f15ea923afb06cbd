"""The weights of a method's networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from ..base.weights import HOW_TO_GET_WEIGHTS, load_weights, seed_weights, state_sha256


class ModelWeights:
    """Fills `networks` from the files `paths`, or, where `random`, with seeded numbers to try the bundle without.

    A method without weights has no networks here. Codes are those of the first network. Where a file is missing,
    `advice` says how to get it.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module] = (),
        paths: Sequence[str | Path] = (),
        random: bool = False,
        seed: int = 0,
        advice: str = HOW_TO_GET_WEIGHTS,
    ) -> None:
        self.networks = networks
        self.paths = [Path(path) for path in paths]
        self.random = random
        self.seed = seed
        self.advice = advice
        self.code_maker = ""

    def load(self) -> dict[str, Any]:
        """Fill the networks; return what a sidecar says of the weights."""
        for network in self.networks:
            network.eval()
        if self.random and self.networks:
            for network in self.networks:
                seed_weights(network, self.seed)
            self.code_maker = f"random-{self.seed}"
            return {"random": True, "seed": self.seed, "sha256": [state_sha256(network) for network in self.networks]}
        pairs = zip(self.networks, self.paths, strict=True)
        hashes = [load_weights(network, path, self.advice) for network, path in pairs]
        self.code_maker = next(iter(hashes), "")
        return {path.name: sha256 for path, sha256 in zip(self.paths, hashes, strict=True)}
