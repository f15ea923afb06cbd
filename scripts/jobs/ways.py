"""The contract of a way to name the subjects of a run."""

from abc import ABC, abstractmethod
from typing import ClassVar

from .jobs import Job
from .wanted import WantedTargets


class Way(ABC):
    """One way to name subjects, with the options that belong to it and to no other."""

    option: ClassVar[str]
    """The option by which a user chooses this way."""

    @property
    @abstractmethod
    def is_given(self) -> bool:
        """Whether the user has chosen this way."""

    @abstractmethod
    def jobs(self, wanted: WantedTargets) -> list[Job]:
        """A job for every visit, with the targets that are `wanted`."""

    def refuse_beside(self, other: str) -> None:
        """Refuse what belongs to this way alone, where the user has chosen the `other`."""
        return
