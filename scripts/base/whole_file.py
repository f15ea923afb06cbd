"""Files that appear under their final names only when they are whole."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError

PARTIAL_PREFIX = ".partial-"
# A file is written within seconds. Processes of other machines, which write there too, cannot be asked.
_LEFT_BEHIND_AFTER_S = 3600


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a hidden file beside `path` to write to, which gets that name at the end; an error leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def refuse_full_or_read_only(path: Path, kind: str = "output") -> Iterator[None]:
    """Say of which file it is, and of which `kind`, that writing fails."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{kind} {path} cannot be written: {error}") from error


def remove_left_behind(folder: Path, alone: bool = False) -> None:
    """Remove the partial files that killed runs left under `folder`, unless `alone` there those older than an hour."""
    for partial in folder.rglob(f"{PARTIAL_PREFIX}*"):
        # It may be gone by now, or not ours to remove.
        with suppress(OSError):
            if alone or time.time() - partial.stat().st_mtime > _LEFT_BEHIND_AFTER_S:
                partial.unlink()
