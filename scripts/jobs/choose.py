"""The jobs of a run, from whichever of the ways to name subjects the user chose."""

from collections.abc import Sequence

from ..base.errors import InputError
from .jobs import Job
from .wanted import WantedTargets
from .ways import Way


def choose_jobs(ways: Sequence[Way], wanted: WantedTargets) -> list[Job]:
    """The jobs of the one of the `ways` that is given, with the targets that are `wanted`."""
    given = [way for way in ways if way.is_given]
    if len(given) != 1:
        options, got = ", ".join(way.option for way in ways), " and ".join(way.option for way in given) or "none"
        raise InputError(f"exactly one of {options} must be given, got {got}")
    (chosen,) = given
    for way in ways:
        if way is not chosen:
            way.refuse_beside(chosen.option)
    wanted.refuse_if_not_taken()
    return chosen.jobs(wanted)
