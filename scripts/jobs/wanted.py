"""What the user of a run wants as targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..base.arguments import by_contrast
from ..base.errors import InputError
from .targets import NamedTargets, TargetSpec, read_named_targets, resolve_target, resolve_targets


@dataclass(frozen=True)
class WantedTargets:
    """One `target` of a `target_contrast`, or `targets` by contrast; any may be a name in the file `named_targets`.

    A run in which targets are not `taken` refuses them.
    """

    target: Any = None
    targets: Any = None
    target_contrast: Any = None
    named_targets: Path | str | NamedTargets = "models/targets.json"
    taken: bool = True

    @cached_property
    def named(self) -> NamedTargets:
        """The codes that have names."""
        return read_named_targets(self.named_targets)

    @property
    def are_given(self) -> bool:
        """Whether the user named a target for all subjects."""
        return self.target is not None or self.targets is not None

    def refuse_if_not_taken(self) -> None:
        """Refuse targets in a run that takes none."""
        if self.are_given and not self.taken:
            raise InputError(f"this run takes no target, got {self.target or self.targets!r}")

    def for_all(self) -> dict[str, TargetSpec]:
        """The targets of every subject, by contrast; refuse a run that takes targets and is given none."""
        if not self.taken:
            return {}
        return resolve_targets(self.target, self.targets, self.target_contrast, self.named)

    def if_given(self) -> dict[str, TargetSpec]:
        """The same, and none where subjects may have targets of their own instead."""
        return self.for_all() if self.are_given else {}

    def of_one(self, chosen: Any, folder: Path) -> Mapping[str, TargetSpec]:
        """The targets that one subject of a file in `folder` is given itself, by contrast."""
        given = by_contrast(chosen, "targets") if chosen else {}
        return {contrast: resolve_target(value, contrast, self.named, folder) for contrast, value in given.items()}
