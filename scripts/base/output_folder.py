"""An output folder that appears under its final name only when it is whole."""

import inspect
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, Transform
from torch import Tensor, nn

from .errors import InputError
from .whole_file import PARTIAL_PREFIX


def generated_by(name: str) -> list[dict[str, str]]:
    """The BIDS entry by which a folder is recognised as ours."""
    return [{"Name": "brain_mri_harmonization", "Description": name}]


@contextmanager
def whole_folder(target: Path, marker: str, name: str) -> Iterator[Path]:
    """Yield a temporary folder beside `target`, and rename it to `target` at the end; after an error nothing is left.

    `target` may be absent, empty, or an earlier output, whose JSON file `marker` says that it was `generated_by(name)`;
    that is replaced. Anything else is refused at once.
    """
    refuse_foreign(target, marker, name)
    unfinished = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
    except OSError as error:
        raise InputError(f"`output_dir` must be in a folder that can be written, {target} is not: {error}") from error
    try:
        yield unfinished
        if target.exists():
            shutil.rmtree(target)
        os.replace(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def describe(value: Any) -> Any:
    """A JSON form of settings: functions and objects by name, with the arguments they hold.

    Those of the bundle by their bare name, which stays when their module moves; others by their import path. Transforms
    that are composed are a list.
    """
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Path | torch.dtype | torch.device):
        return str(value)
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, partial):
        return {**describe(value.func), **describe(value.keywords)}
    if isinstance(value, FunctionType | type):
        return {"_target_": _name(value)}
    if type(value) is Compose:
        return describe(value.transforms)
    return {"_target_": _name(type(value)), **describe(_settings(value))}


def _name(kind: FunctionType | type) -> str:
    return kind.__qualname__ if _is_ours(kind) else f"{kind.__module__}.{kind.__qualname__}"


def _settings(value: Any) -> dict[str, Any]:
    """The arguments an object was made with; of one that is not ours only plain ones, since it may hold anything."""
    held = {name: item for name, item in vars(value).items() if not name.startswith("_")}
    if _is_ours(type(value)) or is_dataclass(value):
        if isinstance(value, nn.Module):
            held |= dict(value.named_children())
        # An object may keep several of its arguments together.
        for part in [item for item in held.values() if isinstance(item, dict) or is_dataclass(item)]:
            held = {**(part if isinstance(part, dict) else vars(part)), **held}
        return {name: held[name] for name in inspect.signature(type(value)).parameters if name in held}
    kinds = (str, int, float, *([list, tuple, type, np.ndarray, Transform] if isinstance(value, Transform) else []))
    return {name: item for name, item in held.items() if isinstance(item, kinds)}


def _is_ours(kind: FunctionType | type) -> bool:
    # What a config writes out has no module.
    return (kind.__module__ or "").partition(".")[0] == __name__.partition(".")[0]


def refuse_foreign(target: Path, marker: str, name: str) -> None:
    """Refuse a `target` that exists, is not empty and was not `generated_by(name)` according to its `marker`."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"`output_dir` must be a folder, {target} is a file")
    # A run may have been killed before it wrote the marker.
    if all(path.name.startswith(PARTIAL_PREFIX) for path in target.iterdir()):
        return
    try:
        ours = json.loads((target / marker).read_text())["GeneratedBy"] == generated_by(name)
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise InputError(f"`output_dir` must be absent, empty or an earlier {name}, but {target} holds something else")
    if not os.access(target, os.W_OK):
        raise InputError(f"`output_dir` must be writable, {target} is not")
