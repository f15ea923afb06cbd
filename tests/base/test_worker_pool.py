"""Processes that share work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BUNDLE = Path(__file__).parents[2]

# Says which processes it started, and waits.
PROGRAM = """
import time
from scripts.base.worker_pool import WorkerPool

if __name__ == "__main__":
    with WorkerPool(2) as pool:
        pool.map(abs, range(4), "count")
        print(*pool.executor._processes, flush=True)
        time.sleep(600)
"""


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are seen in /proc")
def test_workers_end_with_a_killed_parent(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(BUNDLE)}
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, env=environment, text=True) as parent:
        workers = [int(process) for process in parent.stdout.readline().split()]
        assert workers and all(map(is_running, workers))

        parent.send_signal(signal.SIGKILL)

        parent.wait()
        end = time.monotonic() + 30
        while any(map(is_running, workers)) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(map(is_running, workers))
