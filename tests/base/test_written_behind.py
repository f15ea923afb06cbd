import threading
import time

import pytest

from scripts.base.written_behind import WrittenBehind


def test_calls_are_made_in_order_beside_the_caller_and_are_done_at_the_end():
    made: list[tuple[int, bool]] = []
    with WrittenBehind() as soon:
        for number in range(5):
            soon(lambda n: made.append((n, threading.current_thread() is threading.main_thread())), number)
    assert made == [(number, False) for number in range(5)]


def test_a_call_waits_until_the_one_before_has_ended():
    under_way, most = [], []

    def work() -> None:
        under_way.append(1)
        most.append(len(under_way))
        time.sleep(0.01)
        under_way.pop()

    ahead, release = threading.Event(), threading.Event()
    with WrittenBehind() as soon:
        for _ in range(4):
            soon(work)
        soon(release.wait, 60)
        # The caller has gone on while that one waits.
        ahead.set()
        release.set()
    assert ahead.is_set() and most == [1, 1, 1, 1]


@pytest.mark.parametrize("last", [True, False])
def test_an_error_is_raised_by_the_next_call_or_at_the_end(last):
    with pytest.raises(ZeroDivisionError), WrittenBehind() as soon:
        soon(lambda: 1 / 0)
        if not last:
            soon(list)
            pytest.fail("the error came too late")


def test_an_error_of_the_caller_is_not_hidden():
    with pytest.raises(KeyError), WrittenBehind() as soon:
        soon(lambda: 1 / 0)
        raise KeyError
