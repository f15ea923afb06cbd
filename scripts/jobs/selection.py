"""Which jobs of a cohort one process does: those of the chosen participants, and of these its share."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..base.errors import InputError
from .jobs import Job


def select_jobs(
    jobs: Sequence[Job], participant_label: Any = None, session_label: Any = None, part: int = 0, parts: int = 1
) -> list[Job]:
    """Those of the chosen labels, and of these every one whose number leaves `part` when divided by `parts`.

    Labels may have their entity or not, `01` or `sub-01`; several are a list, or a text with commas or spaces between.
    """
    if not (isinstance(part, int) and isinstance(parts, int) and 0 <= part < parts):
        raise InputError(f"`part` must be a whole number from 0 to `parts` - 1, got part {part} of {parts} parts")
    subjects = chosen_labels(participant_label, "participant_label", "sub", [job.subject for job in jobs])
    chosen = [job for job in jobs if job.subject in subjects]
    if session_label is not None:
        known = [job.session for job in chosen if job.session is not None]
        sessions = chosen_labels(session_label, "session_label", "ses", known)
        chosen = [job for job in chosen if job.session in sessions]
    return chosen[part::parts]


def chosen_labels(given: Any, key: str, entity: str, known: Iterable[str]) -> set[str]:
    """Labels with their entity, all of them `known`, of what a user gave for `key`; None stands for all."""
    there = set(known)
    if given is None:
        return there
    texts = given if isinstance(given, list | tuple) else re.split("[, ]+", str(given))
    labels = {f"{entity}-{str(text).removeprefix(f'{entity}-')}" for text in texts}
    absent = sorted(labels - there)
    if absent or not labels:
        shown = ", ".join(sorted(there)) or "none"
        raise InputError(f"`{key}` must be among {shown}, got {', '.join(absent) or given}")
    return labels
