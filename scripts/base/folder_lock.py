"""One run at a time in an output folder, or several that share one cohort, each doing its part.

The lock is the kernel's (flock): it ends with its process however that ends, so that nothing has to be taken over from
a dead one. It holds among all processes of a machine, containers included, and among machines where their file system
passes locks on, as NFS and, if mounted so, Lustre do. Where there are no locks, that is said.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

LOCK_PREFIX = ".lock-"


class _HeldError(OSError):
    """Another process has the lock."""


@contextmanager
def hold_part(folder: Path, part: int, parts: int) -> Iterator[bool]:
    """Hold `part` of the `parts` of a folder, refusing one that is held, or a folder held in other parts.

    Yield whether no other process can be at work in the folder.
    """
    own = folder / f"{LOCK_PREFIX}{part}-of-{parts}"
    others = [path for path in folder.glob(f"{LOCK_PREFIX}*") if not path.name.endswith(f"-of-{parts}")]
    alone = parts == 1
    with ExitStack() as stack:
        try:
            stack.enter_context(_lock(own))
            for other in others:
                # Others may look at it in the same moment.
                with _lock(other, shared=True):
                    pass
            own.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        except _HeldError as error:
            holder = Path(error.filename)
            raise InputError(
                f"`output_dir` must be written by one run at a time, or by runs of the same `parts`, but {folder} is in"
                f" use by {holder.read_text() or 'another process'} ({holder.name})"
            ) from error
        except OSError as error:
            logger.warning("%s cannot be locked, let no other run write to it: %s", folder, error)
            alone = False
        yield alone


@contextmanager
def brief_lock(path: Path) -> Iterator[None]:
    """Wait until no other process is in such a block of the same `path`, where there are locks."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(_lock(path, wait=True))
        yield


@contextmanager
def _lock(path: Path, shared: bool = False, wait: bool = False) -> Iterator[None]:
    if fcntl is None:
        raise OSError("this system has no flock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _HeldError(error.errno, error.strerror, str(path)) from error
        try:
            yield
        finally:
            # Processes that this one has forked may still have it open.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
