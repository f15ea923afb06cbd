"""A progress line on stderr with the time that is left."""

import sys
import time


class Progress:
    """Counts `total` pieces of work; a terminal keeps one line, a log gets one for every twentieth of the work.

    A single piece has no progress to tell of.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.end = "\r" if sys.stderr.isatty() else "\n"
        self.start = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        if self.total == 1:
            return
        if self.end == "\r" or self.done * 20 // self.total > (self.done - 1) * 20 // self.total:
            left = (time.monotonic() - self.start) / self.done * (self.total - self.done)
            line = f"{self.label}: {self.done} of {self.total}, {left:.0f} s left "
            print(line, end="\n" if self.done == self.total else self.end, file=sys.stderr, flush=True)
