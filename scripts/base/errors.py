"""The errors of which the user sees the message alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Kind = TypeVar("Kind", bound=BaseException)


class ReportedError(Exception):
    """An error that its message explains; `exit_code` is that of a process which it ends."""

    exit_code = 1


class InputError(ReportedError, ValueError):
    """Raised before any long work; the message names the file or key, the rule and the value found."""


class UnexpectedError(ReportedError, RuntimeError):
    """Raised at the end of a run in which something failed that its input does not explain; the log has the rest."""


def find_cause(error: BaseException | None, *kinds: type[Kind]) -> Kind | None:
    """The error of one of `kinds` behind an error, if there is one: MONAI wraps what transforms and configs raise."""
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def speaking_of(what: str) -> Iterator[None]:
    """Let a refusal begin with `what` it is of, such as a target, also where MONAI has wrapped it."""
    try:
        yield
    except Exception as error:
        refusal = find_cause(error, InputError)
        if refusal is None:
            raise
        raise InputError(f"{what}: {refusal}") from error
