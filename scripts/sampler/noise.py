"""Noise from a bank of normal numbers: drawing them anew for every image would take longer than all the rest."""

import numpy as np


class Noise:
    """Normal numbers from random places of a bank."""

    def __init__(self, bank: np.ndarray, seed: int) -> None:
        self.bank, self.rng = bank, np.random.default_rng(seed)

    def like(self, values: np.ndarray) -> np.ndarray:
        """As many as there are values; a view of the bank, not to be changed in place."""
        if values.size >= len(self.bank):
            raise ValueError(f"`noise_bank` must be more than the {values.size} values of a scan, got {len(self.bank)}")
        start = int(self.rng.integers(len(self.bank) - values.size))
        return self.bank[start : start + values.size].reshape(values.shape)

    def magnitude(self, values: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """The magnitude of values, to which complex noise of that spread is added."""
        real = self.like(values) * spread
        real += values
        return self.join(real, spread)

    def join(self, real: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """The magnitude where the real part is noisy already; it is overwritten."""
        other = self.like(real) * spread
        other *= other
        real *= real
        real += other
        return np.sqrt(real, out=real)
