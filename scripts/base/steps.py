"""What the run of a single subject is doing, for whoever waits: one line on a terminal, a line a step in a log.

Any part of the bundle may `tell` which step has begun or how far it is; who started the run decides with `show_steps`
whether anybody hears it.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TextIO

# The steps in their order, and the share of the time that each takes in a usual run.
SHARES: Mapping[str, float] = {
    "read": 0.03,
    "register": 0.15,
    "encode the target": 0.08,
    "harmonize axial slices": 0.2,
    "harmonize coronal slices": 0.2,
    "harmonize sagittal slices": 0.2,
    "fuse": 0.06,
    "finish": 0.03,
    "write": 0.05,
}
# A step that takes the place of several in runs that have it.
INSTEAD: Mapping[str, tuple[str, ...]] = {
    "harmonize volumes": ("harmonize axial slices", "harmonize coronal slices", "harmonize sagittal slices", "fuse"),
}


class Steps:
    """Prints steps with the time that is left, estimated from the shares of those that are done."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.start = time.monotonic()
        self.current = ""
        self.shares = SHARES
        self.lock = Lock()

    def tell(self, step: str, done: float = 0.0) -> None:
        """`step` has begun, or that share of it is done; one that comes before the current one is a part of that."""
        with self.lock:
            if step in INSTEAD:
                self.shares = _with_one_instead(self.shares, step)
            names = list(self.shares)
            if names.index(step) < names.index(self.current or step):
                return
            begins, self.current = step != self.current, step
            if not begins and not self.stream.isatty():
                return
            before = sum(self.shares[name] for name in names[: names.index(step)])
            share = (before + done * self.shares[step]) / sum(self.shares.values())
            seconds = time.monotonic() - self.start
            # At the very beginning there is nothing to estimate from.
            left = f", about {seconds * (1 - share) / share:.0f} s left" if share > 0.05 else ""
            self._print(f"{names.index(step) + 1} of {len(names)}: {step}{left}")

    def _print(self, line: str) -> None:
        # On a terminal the next line takes its place.
        text = f"\r{line:<60}" if self.stream.isatty() else f"{line}\n"
        print(text, end="", file=self.stream, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.current and self.stream.isatty():
            print(file=self.stream)


def _with_one_instead(shares: Mapping[str, float], step: str) -> Mapping[str, float]:
    """The shares with that of a `step` in the place of the steps that it stands for, if it is not there already."""
    first, *_ = replaced = INSTEAD[step]
    if first not in shares:
        return shares
    whole = sum(shares[name] for name in replaced)
    places = ((step, whole) if name == first else (name, share) for name, share in shares.items())
    return {name: share for name, share in places if name not in replaced}


_shown: Steps | None = None


def tell(step: str, done: float = 0.0) -> None:
    """One of the steps has begun, or that share of it is done; says nothing unless somebody listens."""
    if _shown is not None:
        _shown.tell(step, done)


@contextmanager
def show_steps(wanted: bool) -> Iterator[None]:
    """Print the steps that are told within, if `wanted`."""
    global _shown
    _shown = Steps() if wanted else None
    try:
        yield
    finally:
        if _shown is not None:
            _shown.end()
        _shown = None
