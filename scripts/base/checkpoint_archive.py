"""Reads checkpoints that also hold what training left, where torch.load(weights_only=True) gives up.

A file of torch.save is a zip archive: a pickle, and beside it the bytes of every tensor. The pickle asks for classes
and functions by name. Here a name gives a tensor, a dict or a placeholder, any other is refused, and nothing can run.
"""

import io
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor

from .errors import InputError
from .weights import needs_code


class Placeholder:
    """Stands in for what only training needs."""

    def __init__(self, *ignored: Any) -> None:
        pass

    def __setstate__(self, ignored: Any) -> None:
        pass


# What optimizer, scheduler and numbers of numpy's leave in a checkpoint. Up to PyTorch 1.12 the state of the scheduler
# CyclicLR holds one of its own methods, hence `getattr`, the scheduler and the optimizer themselves.
TRAINING_LEFTOVERS = (
    "builtins.getattr",
    "torch.optim.adam.Adam",
    "torch.optim.lr_scheduler.CyclicLR",
    "_codecs.encode",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{function}" for core in ("core", "_core") for function in ("scalar", "_reconstruct")),
)


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


_MEANINGS: dict[str, Any] = {
    "builtins.dict": dict,
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": defaultdict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
    **dict.fromkeys(TRAINING_LEFTOVERS, Placeholder),
}


def read_archive(path: Path) -> Any:
    """What torch.save wrote, with placeholders for `TRAINING_LEFTOVERS`; refuse any other object by its name."""
    with ZipFile(path) as archive:
        return _Reader(archive, path).load()


class _Reader(pickle.Unpickler):
    def __init__(self, archive: ZipFile, path: Path) -> None:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        super().__init__(io.BytesIO(archive.read(index)))
        self.archive = archive
        self.path = path
        self.folder = index.removesuffix(".pkl")
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        # The pickle protocol of torch.save calls builtins as Python 2 did.
        wanted = f"{module.replace('__builtin__', 'builtins')}.{name}"
        if wanted not in _MEANINGS:
            raise InputError(needs_code(self.path, wanted))
        return _MEANINGS[wanted]

    def persistent_load(self, identifier: tuple[str, torch.dtype, str, str, int]) -> Tensor:
        """The values that `identifier` points to, as one vector; several tensors may be parts of it."""
        _, dtype, key, _, _ = identifier
        if key not in self.storages:
            values = bytearray(self.archive.read(f"{self.folder}/{key}"))
            self.storages[key] = torch.frombuffer(values, dtype=dtype)
        return self.storages[key]
