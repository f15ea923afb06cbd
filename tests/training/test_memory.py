import subprocess
import sys
from pathlib import Path

import pytest

# Page faults of 60 large tensors, each freed before the next.
COUNT_FAULTS = """
import resource, sys
import torch
from scripts.training.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(60):
    torch.ones(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    command = [sys.executable, "-c", COUNT_FAULTS, how]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_pages_of_freed_tensors_are_taken_up_again():
    assert page_faults("keep") < page_faults("leave") / 4
