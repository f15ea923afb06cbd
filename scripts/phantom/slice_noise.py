"""Noise from a bank of normal numbers: drawing them anew for every image would take longer than all the rest."""

import numpy as np
import torch
from torch import Tensor


class Noise:
    """Normal numbers from random places of a bank."""

    def __init__(self, bank: Tensor, seed: int) -> None:
        self.bank, self.rng = bank, np.random.default_rng(seed)

    def like(self, values: Tensor) -> Tensor:
        """As many as there are values; a view of the bank, not to be changed in place."""
        size = values.numel()
        if size >= len(self.bank):
            raise ValueError(f"a bank of noise must be larger than what is taken from it, {size}, got {len(self.bank)}")
        start = int(self.rng.integers(len(self.bank) - size))
        return self.bank[start : start + size].view(values.shape)

    def magnitude(self, values: Tensor, spread: Tensor) -> Tensor:
        """The magnitude of values with complex noise of that spread."""
        real = torch.addcmul(values, spread, self.like(values))
        return real.square_().add_((spread * self.like(values)).square_()).sqrt_()
