"""A GPU that is pretended: its tensors say that they are elsewhere and compute on the CPU; mistakes are refused.

Where no GPU is at hand, this shows that nothing computes with a tensor of the one device and a tensor of the other,
that nothing hands a tensor of the GPU to NumPy, and that the results are those of the CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "pretended"
# What may take tensors of both devices.
_COPIES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class Elsewhere(Tensor):
    """A tensor that says it is on another device; `values` are where it computes."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "Elsewhere":
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined,no-any-return]
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["values"], None

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, given: Any = (), options: Any = None) -> Any:
        """Compute; only what PyTorch does outside of the mode comes here."""
        return compute(operation, given, options or {})

    def numpy(self, *, force: bool = False) -> Any:
        """As of a GPU: only a copy, and only where that is said."""
        if not force:
            raise TypeError(f"can't convert a tensor of {NAME} to NumPy, it must be copied to the CPU first")
        return self.detach().cpu().numpy()

    def tolist(self) -> Any:
        """As of a GPU, which copies by itself."""
        return self.detach().cpu().tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Elsewhere({self.values!r}, {self.device})"


class PretendedDevice(TorchDispatchMode):
    """Makes what is created on the device tensors of it."""

    def __torch_dispatch__(self, operation: Any, types: Any, given: Any = (), options: Any = None) -> Any:
        return compute(operation, given, options or {})


def compute(operation: Any, given: Any, options: dict[str, Any]) -> Any:
    """What an operation gives, on the device on which it would be."""
    tensors = [value for value in tree_leaves((given, options)) if isinstance(value, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, Elsewhere)]
    # A number without dimensions may come from anywhere.
    here = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.ndim]
    if there and here and operation not in _COPIES:
        raise RuntimeError(f"{operation}: tensors must be on one device, got {there[0].device} and cpu")
    asked = [value for value in tree_leaves((given, options)) if isinstance(value, torch.device)]
    if asked:
        elsewhere = asked[0].type == NAME
    else:
        elsewhere = isinstance(given[0], Elsewhere) if operation in _COPIES else bool(there)
    values, named = tree_map(_on_cpu, (given, options))
    result = operation(*values, **named)
    if torch.Tag.inplace_view in operation.tags:
        # Such as `squeeze_`: what the tensor says of its shape has to change with the values.
        with no_dispatch():
            operation(*given, **options)
    if not elsewhere:
        return result
    # What an operation changes in place stays the tensor that it was.
    known = {id(tensor.values): tensor for tensor in there}

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) in known:
            return known[id(value)]
        # A view of what was not made for inference is not either.
        with torch.inference_mode(value.is_inference()):
            return Elsewhere(value)

    return tree_map(wrapped, result)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.values if isinstance(value, Elsewhere) else value


def _tell_pytorch() -> torch.device:
    module = _DummyBackendModule()
    module.get_amp_supported_dtype = lambda: [torch.bfloat16]
    # Nothing is to choose it that was not told to.
    module.is_available = lambda: False
    # Its random numbers are those of the CPU, which `torch.random.fork_rng` keeps by itself.
    module.get_rng_state = lambda *_: torch.get_rng_state()
    module.set_rng_state = lambda *_: None
    _setup_privateuseone_for_python_backend(NAME, backend_module=module)
    return torch.device(NAME, 0)


# Before any test runs, since PyTorch counts devices at the first gradient of a process.
DEVICE = _tell_pytorch()


@contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """While it lasts tensors can be on its device."""
    # `torch.tensor` otherwise makes a tensor of the device where no mode sees it.
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with PretendedDevice():
            yield DEVICE
    finally:
        torch._C._set_only_lift_cpu_tensors(False)
