"""Who learns: some parameters, their optimizer, and how often it steps."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..base.arguments import check_whole
from ..base.errors import InputError


class Player:
    """The parameters of an `optimizer`, which takes `steps` with each iteration, and `scheduler` one with each of them.

    The norm of all its gradients together is cut to `largest_gradient`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        scheduler: LRScheduler | None = None,
        steps: int = 1,
        largest_gradient: float | None = None,
    ) -> None:
        check_whole("steps", steps)
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.steps = steps
        self.largest_gradient = largest_gradient

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All that the optimizer has."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def step(self) -> None:
        """Follow the gradients that were gathered, and forget them."""
        if self.largest_gradient is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.largest_gradient)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.scheduler is not None:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Where optimizer and scheduler stand."""
        scheduler = None if self.scheduler is None else self.scheduler.state_dict()
        return {"optimizer": self.optimizer.state_dict(), "scheduler": scheduler}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])


def check_players(players: Mapping[str, Player], accumulation: int) -> None:
    """Refuse players who would learn the same parameters, or step more often than gradients are there."""
    owners: dict[int, str] = {}
    for name, player in players.items():
        if accumulation > 1 and player.steps > 1:
            raise InputError(
                f"`steps` of the player {name} must be 1 where `accumulation` is above 1, got {player.steps} and "
                f"{accumulation}"
            )
        for parameter in player.parameters:
            other = owners.setdefault(id(parameter), name)
            if other != name:
                raise InputError(
                    f"each player must have parameters of its own, but {other} and {name} share one of shape "
                    f"{tuple(parameter.shape)}"
                )
