import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.base.folder_lock import brief_lock, hold_part

BUNDLE = Path(__file__).parents[2]

# Holds a part until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from scripts.base.folder_lock import hold_part

with hold_part(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])):
    print("held", flush=True)
    time.sleep(600)
"""


def start_holder(folder: Path, part: int = 0, parts: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder), str(part), str(parts)]
    process = subprocess.Popen(command, cwd=BUNDLE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_second_run_is_refused_with_the_name_of_the_first_until_that_is_dead(tmp_path):
    holder = start_holder(tmp_path)
    with pytest.raises(InputError) as caught, hold_part(tmp_path, 0, 1):
        pass
    assert str(caught.value) == (
        "`output_dir` must be written by one run at a time, or by runs of the same `parts`, but "
        f"{tmp_path} is in use by process {holder.pid} on {socket.gethostname()} (.lock-0-of-1)"
    )
    kill(holder)
    with hold_part(tmp_path, 0, 1) as alone:
        assert alone
        assert (tmp_path / ".lock-0-of-1").read_text() == f"process {os.getpid()} on {socket.gethostname()}"


def test_parts_of_one_division_share_a_folder(tmp_path):
    with hold_part(tmp_path, 0, 2) as alone, hold_part(tmp_path, 1, 2):
        assert not alone
        for part, parts in ((1, 2), (0, 1), (2, 3)):
            with (
                pytest.raises(InputError, match=f"is in use by process {os.getpid()}"),
                hold_part(tmp_path, part, parts),
            ):
                pass
    with hold_part(tmp_path, 2, 3):
        pass


def test_an_error_lets_the_folder_go(tmp_path):
    with pytest.raises(ZeroDivisionError), hold_part(tmp_path, 0, 1):
        raise ZeroDivisionError
    with hold_part(tmp_path, 0, 1):
        pass


def test_a_folder_that_cannot_be_locked_is_used_with_a_warning(tmp_path, caplog):
    # Stands in for a file system without locks.
    (tmp_path / ".lock-0-of-1").mkdir()
    with hold_part(tmp_path, 0, 1) as alone:
        assert not alone
    assert caplog.messages[0].startswith(f"{tmp_path} cannot be locked, let no other run write to it: [Errno 21]")


def test_brief_locks_are_taken_in_turn(tmp_path):
    order, started = [], threading.Event()

    def second() -> None:
        started.set()
        with brief_lock(tmp_path / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    with brief_lock(tmp_path / "lock"):
        thread.start()
        started.wait()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
