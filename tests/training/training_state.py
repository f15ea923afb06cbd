"""What a training left behind, and one that is interrupted."""

from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.training.checkpoints import STATE_FILE, Checkpoints


def state(folder: Path) -> dict[str, Any]:
    """All but what no two runs have in common."""
    found = torch.load(folder / STATE_FILE, weights_only=True)
    return {name: value for name, value in found.items() if name not in ("seconds", "config")}


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def stop_after_the_first_epoch(patch: pytest.MonkeyPatch) -> None:
    """Makes a training raise as soon as it has saved its state."""
    save = Checkpoints.save

    def save_and_stop(self: Checkpoints, engine: Any) -> None:
        save(self, engine)
        raise ZeroDivisionError

    patch.setattr(Checkpoints, "save", save_and_stop)
