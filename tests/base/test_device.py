import pytest
import torch

from scripts.base.device import check_device
from scripts.base.errors import InputError


def test_the_cpu_is_always_there():
    check_device("cpu")
    check_device(torch.device("cpu"))


@pytest.mark.parametrize("device", ["gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "", 0, None, "cuda:0:1"])
def test_what_is_no_device_is_refused_with_what_is(device):
    with pytest.raises(InputError) as caught:
        check_device(device)
    words = "`device` must be cpu, cuda, cuda with the number of a GPU, such as cuda:0, or mps, got "
    assert str(caught.value).startswith(f"{words}{device!r}; PyTorch sees ")


@pytest.mark.parametrize(
    ("gpus", "good", "bad", "words"),
    [
        (0, [], ["cuda", "cuda:0"], "PyTorch sees no GPU here"),
        (1, ["cuda", "cuda:0"], ["cuda:1"], "PyTorch sees 1 GPU here"),
        (2, ["cuda", "cuda:1"], ["cuda:2"], "PyTorch sees 2 GPUs here"),
    ],
)
def test_a_gpu_must_be_there(monkeypatch, gpus, good, bad, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    for device in good:
        check_device(device)
    for device in bad:
        with pytest.raises(InputError, match=words):
            check_device(device)
