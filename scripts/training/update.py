"""One iteration of training, the same for every stage."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from monai.engines import SupervisedTrainer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..inferers.precision import PRECISIONS, autocast
from .moving_average import MovingAverage
from .player import Player, check_players


class GameUpdate:
    """Of each of several players in turn, the losses of a batch, their gradients, and a step of its optimizer.

    The engine's network is a stage: a module that makes losses, `total` among them, of a batch, the number of the
    iteration and the name of a player. While a player learns, the parameters of all others are frozen, so that nothing
    of its loss reaches them. Each takes its `steps` with every iteration, on the same batch; with an `accumulation`
    gradients are gathered over so many batches first. A stage may keep what one player made for the next one.

    Then the `averages` follow. Whatever a stage draws depends on `seed`, the iteration and the process, so that a
    resumed run draws the same. A total that is not finite ends the run before it reaches the weights. The state of all
    players and averages is that of the update, for a checkpoint to hold.
    """

    def __init__(
        self,
        players: Mapping[str, Player],
        precision: str = "fp32",
        accumulation: int = 1,
        averages: Sequence[MovingAverage] = (),
        seed: int = 0,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        if accumulation < 1:
            raise InputError(f"`accumulation` must be at least 1, got {accumulation}")
        check_players(players, accumulation)
        self.players = players
        self.dtype = PRECISIONS[precision]
        self.accumulation = accumulation
        self.averages = averages
        self.seed = seed

    def __call__(self, engine: SupervisedTrainer, batch: Mapping[str, Any]) -> dict[str, float]:
        """Train on a batch; the losses by name, which begins with the player's."""
        iteration, length = engine.state.iteration, engine.state.epoch_length
        torch.manual_seed(derive_seed(self.seed, iteration, dist.get_rank() if dist.is_initialized() else 0))
        device = engine.state.device
        ready = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
        engine.network.train()
        last = length is not None and iteration % length == 0
        steps = last or iteration % self.accumulation == 0
        values: dict[str, float] = {}
        for name, player in self.playing(engine).items():
            with _others_frozen(player, self.players.values()):
                for _ in range(player.steps):
                    values |= self._learn(engine, name, ready, iteration)
                    if steps:
                        player.step()
        if steps:
            for average in self.averages:
                average.update()
        return values

    def playing(self, engine: SupervisedTrainer) -> Mapping[str, Player]:
        """Who learns, in order."""
        return self.players

    def losses(self, stage: Any, batch: Mapping[str, Any], iteration: int, player: str) -> Mapping[str, Tensor]:
        """Ask the stage."""
        found: Mapping[str, Tensor] = stage(batch, iteration, player)
        return found

    def _learn(
        self, engine: SupervisedTrainer, player: str, batch: Mapping[str, Any], iteration: int
    ) -> dict[str, float]:
        """Add the gradients of a player's losses to those that it has."""
        with autocast(self.dtype, engine.state.device):
            losses = self.losses(engine.network, batch, iteration, player)
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        refuse_not_finite(values, batch, iteration)
        (losses["total"] / self.accumulation).backward()
        return {f"{player}_{name}" if player else name: value for name, value in values.items()}

    def state_dict(self) -> dict[str, Any]:
        """Where all players and averages stand."""
        return {
            "players": {name: player.state_dict() for name, player in self.players.items()},
            "averages": [average.state_dict() for average in self.averages],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        for name, player in self.players.items():
            player.load_state_dict(state["players"][name])
        for average, kept in zip(self.averages, state["averages"], strict=True):
            average.load_state_dict(kept)


class TrainingUpdate(GameUpdate):
    """The same for the engine's optimizer alone: its stage is not told the name of a player.

    After every `accumulation` batches there is a step of optimizer and `scheduler`.
    """

    def __init__(
        self,
        precision: str = "fp32",
        accumulation: int = 1,
        largest_gradient: float | None = None,
        scheduler: LRScheduler | None = None,
        averages: Sequence[MovingAverage] = (),
        seed: int = 0,
    ) -> None:
        super().__init__({}, precision, accumulation, averages, seed)
        self.largest_gradient = largest_gradient
        self.scheduler = scheduler

    def playing(self, engine: SupervisedTrainer) -> Mapping[str, Player]:
        """One without a name."""
        optimizer: Optimizer = engine.optimizer
        return {"": Player(optimizer, self.scheduler, largest_gradient=self.largest_gradient)}

    def losses(self, stage: Any, batch: Mapping[str, Any], iteration: int, player: str) -> Mapping[str, Tensor]:
        """Ask the stage."""
        found: Mapping[str, Tensor] = stage(batch, iteration)
        return found


@contextmanager
def _others_frozen(player: Player, players: Sequence[Player] | Any) -> Iterator[None]:
    """Keep gradients from the parameters of all others."""
    others = [parameter for other in players if other is not player for parameter in other.parameters]
    learning = [parameter for parameter in others if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def refuse_not_finite(losses: Mapping[str, float], batch: Mapping[str, Any], iteration: int) -> None:
    """Name the batch whose losses are not finite, before they reach the weights."""
    if torch.isfinite(torch.tensor(losses["total"])):
        return
    images = [f"{subject} on {scanner}" for subject, scanner in zip(batch["subject"], batch["scanner"], strict=True)]
    if "slice" in batch:
        slices = zip(images, batch["orientation"], batch["slice"], strict=True)
        images = [f"{image}, {orientation} {int(place)}" for image, orientation, place in slices]
    parts = ", ".join(f"{name} {value:g}" for name, value in losses.items())
    raise InputError(f"losses must be finite, iteration {iteration} has {parts}; its images are {'; '.join(images)}")
