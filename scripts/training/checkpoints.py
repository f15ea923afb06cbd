"""What a training leaves behind: where it stands, to go on from, and the best weights with how they were made."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from torch import nn

from ..base.errors import InputError
from ..base.stable_names import with_stable_names
from ..base.text_files import write_json
from ..base.weights import read_checkpoint, refuse_other_network, save_weights

logger = logging.getLogger(__name__)

STATE_FILE = "training.pt"
PROVENANCE_FILE = "training.json"
_STATE = {"config", "epoch", "iteration", "best", "seconds", "parts"}


class Checkpoints:
    """Saves the `parts` of a training after every epoch, and goes on from them where `folder` has some.

    `weights` are networks by the name of the file that gets their state dict: after an epoch in which `metric` of the
    `evaluator` rose above all before, or fell below all where `lowest`, or after every epoch if there is no evaluator.
    Beside them `training.json` says how they were made. `config` decides what a training computes, but for the ids
    `free`, and so does what `also` gives once the training starts; with another one it cannot go on. Where a class lies
    in this bundle is not part of it. Of several processes, the first one writes. If the weights that are kept in the
    end are of a step up to `incomplete_until`, when part of what is to be learned had not begun, that is said.
    """

    def __init__(
        self,
        folder: Path | str,
        parts: Mapping[str, Any],
        weights: Mapping[str, nn.Module],
        config: Mapping[str, Any],
        free: Sequence[str] = (),
        evaluator: Engine | None = None,
        metric: str = "psnr",
        lowest: bool = False,
        writes: bool = True,
        incomplete_until: int = 0,
        also: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.parts = parts
        self.weights = weights
        self._config, self._also = config, also
        self.free = free
        self.evaluator = evaluator
        self.metric = metric
        self.lowest = lowest
        self.writes = writes
        self.incomplete_until = incomplete_until
        self.best: float | None = None
        # Of the parts of this training that ran before, and the time at which this one began.
        self.seconds, self.started = 0.0, time.monotonic()

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """What decides a training, by stable names."""
        settings: Mapping[str, Any] = with_stable_names({**self._config, **(self._also() if self._also else {})})
        return settings

    def attach(self, engine: Engine) -> None:
        """Load before the first epoch and save after each. To be attached after the validation."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)
        engine.add_event_handler(Events.COMPLETED, self.warn_of_incomplete)

    def load(self, engine: Engine) -> None:
        """Go on from the folder's state, if there is one."""
        self.started = time.monotonic()
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
        self.best, self.seconds = state["best"], state["seconds"]
        engine.state.epoch, engine.state.iteration = state["epoch"], state["iteration"]
        logger.info("going on after epoch %d of %s", state["epoch"], path)

    def save(self, engine: Engine) -> None:
        """Write the state, and the weights if they are the best."""
        if not self.writes:
            return
        improved = self._improved()
        seconds = self.seconds + time.monotonic() - self.started
        state = {
            "config": self.config,
            "epoch": engine.state.epoch,
            "iteration": engine.state.iteration,
            "best": self.best,
            "seconds": seconds,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        try:
            if improved:
                hashes = {
                    name: save_weights(part.state_dict(), self.folder / name) for name, part in self.weights.items()
                }
                write_json(self.folder / PROVENANCE_FILE, self._provenance(engine, hashes, seconds))
            save_weights(state, self.folder / STATE_FILE)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"the checkpoint of epoch {engine.state.epoch} could not be written to {self.folder}: {error}; what "
                "was saved before is whole, and the same command goes on from there"
            ) from error

    def warn_of_incomplete(self, engine: Engine) -> None:
        """Say so if the weights are of a step at which not everything had begun."""
        path = self.folder / PROVENANCE_FILE
        if not self.writes or not path.exists():
            return
        kept = json.loads(path.read_text())["iteration"]
        if kept <= self.incomplete_until:
            logger.warning(
                "the weights that are kept are of step %d, but until step %d (`incomplete_until`) part of what is to "
                "be learned had not begun",
                kept,
                self.incomplete_until,
            )

    def _improved(self) -> bool:
        if self.evaluator is None:
            return True
        value, sign = self.evaluator.state.metrics[self.metric], -1 if self.lowest else 1
        # So written that a value that is not a number never counts.
        if not sign * value > (-math.inf if self.best is None else sign * self.best):
            return False
        self.best = value
        return True

    def _provenance(self, engine: Engine, hashes: Mapping[str, str], seconds: float) -> dict[str, Any]:
        return {
            "sha256": dict(hashes),
            "epoch": engine.state.epoch,
            "iteration": engine.state.iteration,
            "metrics": {} if self.evaluator is None else dict(self.evaluator.state.metrics),
            "seconds": round(seconds),
            "processes": dist.get_world_size() if dist.is_initialized() else 1,
            "threads": torch.get_num_threads(),
            "software": {package: version(package) for package in ("monai", "torch", "numpy")},
            "config": self.config,
        }

    def _check(self, state: Any, path: Path) -> None:
        """Refuse a state that this training cannot go on from."""
        if not isinstance(state, Mapping) or set(state) != _STATE:
            raise InputError(f"{path} must be the state of a training, which it is not; choose another folder")
        before, now = (
            dict(_settings(with_stable_names(config), self.free)) for config in (state["config"], self.config)
        )
        for name in {**before, **now}:
            if before.get(name) != now.get(name):
                raise InputError(
                    f"{path} is of a training with `{name}` {before.get(name)}, this one has {now.get(name)}; give the "
                    "same settings to go on, or choose another folder"
                )


def _settings(config: Any, free: Sequence[str], id: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a config by their ids, without the ids `free` and what is in them."""
    if id in free:
        return
    if not isinstance(config, Mapping | list):
        yield id, config
        return
    for key, value in config.items() if isinstance(config, Mapping) else enumerate(config):
        yield from _settings(value, free, f"{id}#{key}" if id else str(key))
