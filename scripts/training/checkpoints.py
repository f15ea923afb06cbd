"""What a training leaves behind: where it stands, to go on from, and the best weights so far."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from ..errors import InputError
from ..io.weights import read_checkpoint, refuse_other_network, save_weights

logger = logging.getLogger(__name__)

STATE_FILE = "training.pt"


class Checkpoints:
    """Saves the `parts` of a training after every epoch, and goes on from them where `folder` has some.

    `weights` are networks by the name of the file that gets their state dict: after an epoch in which `metric` of the
    `evaluator` rose above all before, or after every epoch if there is no evaluator. `settings` decide what a training
    computes; with other ones it cannot go on. Of several processes, the first one writes.
    """

    def __init__(
        self,
        folder: Path | str,
        parts: Mapping[str, Any],
        weights: Mapping[str, nn.Module],
        settings: Mapping[str, Any],
        evaluator: Engine | None = None,
        metric: str = "psnr",
        writes: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.parts = parts
        self.weights = weights
        self.settings = dict(settings)
        self.evaluator = evaluator
        self.metric = metric
        self.writes = writes
        self.best: float | None = None

    def attach(self, engine: Engine) -> None:
        """Load before the first epoch and save after each. To be attached after the validation."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def load(self, engine: Engine) -> None:
        """Go on from the folder's state, if there is one."""
        path = self.folder / STATE_FILE
        if not path.exists():
            return
        state = read_checkpoint(path)
        self._check(state, path)
        for name, part in self.parts.items():
            if isinstance(part, nn.Module):
                refuse_other_network(state["parts"][name], part.state_dict(), f"{path}, {name},")
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.best = state["best"]
        engine.state.epoch, engine.state.iteration = state["epoch"], state["iteration"]
        logger.info("going on after epoch %d of %s", state["epoch"], path)

    def save(self, engine: Engine) -> None:
        """Write the state, and the weights if they are the best."""
        if not self.writes:
            return
        improved = self._improved()
        state = {
            "settings": self.settings,
            "epoch": engine.state.epoch,
            "iteration": engine.state.iteration,
            "best": self.best,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        try:
            if improved:
                for name, network in self.weights.items():
                    save_weights(network.state_dict(), self.folder / name)
            save_weights(state, self.folder / STATE_FILE)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"the checkpoint of epoch {engine.state.epoch} could not be written to {self.folder}: {error}; what "
                "was saved before is whole, and the same command goes on from there"
            ) from error

    def _improved(self) -> bool:
        if self.evaluator is None:
            return True
        value = self.evaluator.state.metrics[self.metric]
        # So written that a value that is not a number never counts.
        if not value > (-math.inf if self.best is None else self.best):
            return False
        self.best = value
        return True

    def _check(self, state: Any, path: Path) -> None:
        """Refuse a state that this training cannot go on from."""
        if not isinstance(state, Mapping) or set(state) != {"settings", "epoch", "iteration", "best", "parts"}:
            raise InputError(f"{path} must be the state of a training, which it is not; choose another folder")
        for name in sorted({*state["settings"], *self.settings}):
            before, now = (settings.get(name) for settings in (state["settings"], self.settings))
            if before != now:
                raise InputError(
                    f"{path} is of a training with `{name}` {before}, this one has {now}; give the same settings to go "
                    "on, or choose another folder"
                )
