"""Work that goes on beside the main work, one piece behind it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any


class WrittenBehind:
    """Runs calls one after the other in a thread; a new one waits until the one before has ended.

    So results are written while the next one is computed, and never pile up. The end of the `with` block waits too. An
    error of a call is raised by the next one, or at the end.
    """

    def __enter__(self) -> "WrittenBehind":
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[Any] | None = None
        return self

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run `function` soon."""
        self._wait()
        self._last = self._pool.submit(function, *arguments)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._wait()
        finally:
            self._pool.shutdown()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
