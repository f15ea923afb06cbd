"""A network made ready to run fast: in a lower precision, compiled."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..base.errors import InputError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def fast_precision(device: torch.device | str) -> str:
    """`bf16` where the device computes in it faster than in single precision, else `fp32`."""
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if fast else "fp32"


def autocast(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Computes in `dtype` where that is safe, as a context; single precision changes nothing."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


class InPrecision(nn.Module):
    """Runs `module` in `dtype` between single-precision inputs and outputs.

    Channels come last in memory, where low precision is fastest: a compiled anatomy encoder takes 0.8 of the time.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        # Torch knows this argument, its annotations do not.
        self.module = module.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        """What the module gives."""
        return self.module(image.to(self.dtype, memory_format=torch.channels_last)).float()


class NetworkPreparation:
    """Gives the network itself in fp32, else a copy whose heavy parts run in `precision`, and compiled if asked for.

    The network's `HEAVY` names these parts.

    The copy is kept until the network's weights or device change, since compiling takes as long as a volume.
    """

    def __init__(self, precision: str = "fp32", compiled: bool = False) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        self.precision = precision
        self.compiled = compiled
        self._network: nn.Module | None = None
        self._state: list[Any] = []
        self._ready: Any = None

    def __call__(self, network: nn.Module) -> Any:
        """Prepare `network`."""
        # Else a GPU rounds single precision to 10 bits, and classes of the anatomy flip.
        torch.backends.cudnn.allow_tf32 = False
        if self.precision == "fp32" and not self.compiled:
            return network
        state = [(parameter.device, _version(parameter)) for parameter in network.parameters()]
        if self._ready is None or self._network is not network or state != self._state:
            self._network, self._state, self._ready = network, state, copy.deepcopy(network)
            for name in self._ready.HEAVY:
                setattr(self._ready, name, self._prepare(getattr(self._ready, name)))
        return self._ready

    def _prepare(self, module: nn.Module) -> Callable[..., Any]:
        if self.precision != "fp32":
            module = InPrecision(module, PRECISIONS[self.precision])
        return torch.compile(module) if self.compiled else module


def _version(parameter: Tensor) -> int:
    """How often a parameter was changed: by steps of training and by loading. Inference tensors do not count."""
    return 0 if parameter.is_inference() else parameter._version
