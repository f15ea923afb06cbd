"""What became of the subjects of a run."""

import errno
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..base.errors import InputError, ReportedError, UnexpectedError, find_cause
from ..base.progress import Progress
from ..base.ranks import gather
from ..jobs.jobs import Job
from ..jobs.status_table import write_status
from .subjects import Done, Failure

logger = logging.getLogger(__name__)

SOME_FAILED = 2


class Results:
    """Tells of each subject by a line in the log and a row in the status table of `folder`, and of failures at the end.

    `verb` says what is done to them, `harmonize` for instance.
    """

    def __init__(self, jobs: Sequence[Job], folder: Path, verb: str) -> None:
        self.verb = verb
        self.folder = folder
        self.waiting = list(jobs)
        self.failures: list[Failure] = []
        self.progress = Progress(f"{verb}, subjects", len(jobs))
        self._write(jobs, "waiting")

    def add(self, result: Done | Failure) -> None:
        """One more has come to its end."""
        job = result.job
        self.waiting.remove(job)
        if isinstance(result, Failure):
            self.failures.append(result)
            self._write([job], "failed", result.reason)
            logger.warning("%s: failed, %s", job.name, result.reason)
        else:
            self._write([job], "done", outputs=result.outputs)
            if result.earlier:
                logger.info("%s: done by an earlier run, nothing has changed", job.name)
            else:
                # The last one is an image; maps lie beside it.
                more = f" and {len(result.outputs) - 1} more" if result.outputs[1:] else ""
                logger.info("%s: %s%s", job.name, result.outputs[-1], more)
        self.progress.step()

    def raise_failures(self) -> None:
        """Raise an error that lists what went wrong, if anything did in any process; of one subject, the reason alone.

        Its exit code tells whether some subjects were done.
        """
        parts = gather((self.failures, len(self.waiting), self.progress.total))
        failures = [failure for failed, _, _ in parts for failure in failed]
        untried, total = sum(waiting for _, waiting, _ in parts), sum(jobs for _, _, jobs in parts)
        if not failures:
            return
        lines = [f"{len(failures)} of {total} subjects could not be {self.verb}d:"]
        lines += [f"{failure.job.name}: {failure.reason}" for failure in failures]
        if untried:
            lines.append(f"{untried} more were not tried, since the disk is full")
        message = failures[0].reason if total == 1 else "\n".join(lines)
        explained = all(failure.refused for failure in failures)
        error: ReportedError = InputError(message) if explained else UnexpectedError(message)
        if len(failures) + untried < total:
            error.exit_code = SOME_FAILED
        raise error

    def _write(self, jobs: Sequence[Job], state: str, reason: str = "", outputs: Sequence[Path] = ()) -> None:
        # The table is no result: where it cannot be written, the outputs tell why.
        with suppress(OSError):
            write_status(self.folder, jobs, state, reason, outputs)


def is_disk_full(error: BaseException) -> bool:
    """Whether what failed would fail for every other subject too."""
    cause = find_cause(error, OSError)
    return cause is not None and cause.errno in (errno.ENOSPC, errno.EDQUOT)
