import io

import pytest

from scripts.base.steps import SHARES, Steps, show_steps, tell


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_has_a_line_for_each_step_and_none_for_parts_of_it():
    log = io.StringIO()
    steps = Steps(log)
    for done in (0.0, 0.5, 1.0):
        steps.tell("read", done)
    steps.tell("write")
    lines = log.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["1 of 9: read", "9 of 9: write"]


def test_a_step_within_a_later_one_is_a_part_of_that():
    log = io.StringIO()
    steps = Steps(log)
    for step in ("encode the target", "read", "fuse"):
        steps.tell(step)
    assert [line.split(":")[0] for line in log.getvalue().splitlines()] == ["3 of 9", "7 of 9"]


def test_a_step_may_take_the_place_of_several():
    log = io.StringIO()
    steps = Steps(log)
    for step in ("read", "harmonize volumes", "finish"):
        steps.tell(step)
    lines = [line.split(",")[0] for line in log.getvalue().splitlines()]
    assert lines == ["1 of 9: read", "4 of 6: harmonize volumes", "5 of 6: finish"]
    assert sum(steps.shares.values()) == pytest.approx(sum(SHARES.values()))


def test_a_terminal_has_one_line_with_the_time_that_is_left():
    screen = Terminal()
    steps = Steps(screen)
    steps.start -= 30
    # Half of the whole time is over.
    before = sum(list(SHARES.values())[:4])
    steps.tell("harmonize coronal slices", (0.5 * sum(SHARES.values()) - before) / SHARES["harmonize coronal slices"])
    steps.end()
    assert "\n" not in screen.getvalue().rstrip("\n")
    assert "5 of 9: harmonize coronal slices, about 30 s left" in screen.getvalue()


def test_nothing_is_said_unless_it_is_wanted(capsys):
    tell("read")
    with show_steps(False):
        tell("read")
    assert capsys.readouterr().err == ""
    with show_steps(True):
        tell("read")
    assert capsys.readouterr().err == "1 of 9: read\n"


def test_an_unknown_step_is_a_mistake():
    with pytest.raises(ValueError), show_steps(True):
        tell("dream")
