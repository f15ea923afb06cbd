"""Where to compute."""

from typing import Any

import torch

from .errors import InputError


def check_device(device: Any) -> None:
    """Refuse what is no device, or none that is here."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = {0: "PyTorch sees no GPU here", 1: "PyTorch sees 1 GPU here"}.get(gpus, f"PyTorch sees {gpus} GPUs here")
    rule = f"`device` must be cpu, cuda, cuda with the number of a GPU, such as cuda:0, or mps, got {device!r}; {here}"
    kind, _, number = str(device).partition(":")
    known = kind in ("cpu", "cuda", "mps") and (not _ or (kind == "cuda" and number.isdecimal()))
    if not known or (kind == "cuda" and int(number or 0) >= gpus):
        raise InputError(rule)
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"{rule}, and no Apple one either")
