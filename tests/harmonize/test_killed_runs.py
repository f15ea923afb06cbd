"""Runs that are killed at random moments and started again leave what an uninterrupted run leaves, to the byte."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from .bids_study import arguments, contents, write_study, write_target
from .tiny_subjects import BUNDLE

# Starts each run in a fork of a process that has imported everything, so that no time is lost to that: it reads the
# run's arguments, says its process, and says how it ended.
STARTER = """
import json, os, sys

import ignite.engine, itk, monai.bundle, monai.engines, torch

for line in sys.stdin:
    process = os.fork()
    if not process:
        for descriptor in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        try:
            monai.bundle.run(**json.loads(line))
        except BaseException:
            os._exit(1)
        os._exit(0)
    print(process, flush=True)
    print(os.waitpid(process, 0)[1], flush=True)
"""


class Starter:
    """Starts runs and waits for their end."""

    def __init__(self) -> None:
        command = [sys.executable, "-B", "-W", "ignore", "-c", STARTER]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=BUNDLE, **pipes)

    def start(self, given: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        print(json.dumps(given), file=self.process.stdin, flush=True)
        return self._read()

    def wait(self) -> int:
        """The number of the signal that ended the run, or its exit code times 256."""
        return self._read()

    def _read(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture
def starter() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    starter.process.communicate()


def wait_for_output(folder: Path) -> None:
    end = time.monotonic() + 600
    # Not under the name it has while it is written.
    while not list(folder.rglob("sub-*_T1w.nii.gz")):
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.005)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_that_was_killed_and_started_again_leaves_the_same_bytes(starter, tmp_path, kills):
    study, target = write_study(tmp_path / "study", people=4), write_target(tmp_path)
    begin = time.monotonic()
    starter.start(arguments(study, target, tmp_path / "whole"))
    wait_for_output(tmp_path / "whole")
    first = time.monotonic()
    assert starter.wait() == 0
    until_first, from_first = first - begin, time.monotonic() - first
    expected = contents(tmp_path / "whole")
    assert len(expected) == 2 * 4 + 3
    draw, attempts, window, after_first, killed = random.Random(2026), count(), 1.0, 0, 0
    while killed < kills:
        output = tmp_path / f"attempt-{next(attempts)}"
        given = arguments(study, target, output)
        process = starter.start(given)
        # Two of three are killed when something is there already.
        if killed % 3 < 2:
            wait_for_output(output)
            time.sleep(draw.uniform(0, window * from_first))
        else:
            time.sleep(draw.uniform(0, window * until_first))
        # It may have come to its end.
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        if starter.wait() != signal.SIGKILL:
            # The machine may have been busier when the times were taken.
            window *= 0.9
            continue
        killed += 1
        left = {name: content for name, content in contents(output).items() if ".partial-" not in name}
        after_first += any(name.endswith("_T1w.nii.gz") for name in left)
        # What has its final name is whole.
        assert {name for name, content in left.items() if expected[name] != content} <= {"status.csv"}
        starter.start(given)
        assert starter.wait() == 0
        assert contents(output) == expected
    assert after_first >= kills / 2
