"""An output folder that appears under its final name only when it is whole."""

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

from ..errors import InputError


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
    """A JSON form of settings: functions and objects by their import path, with the arguments they hold."""
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, partial):
        return {**describe(value.func), **describe(value.keywords)}
    if isinstance(value, FunctionType):
        return {"_target_": f"{value.__module__}.{value.__qualname__}"}
    kind, attributes = type(value), getattr(value, "__dict__", {})
    if not is_dataclass(value):
        # Other objects may hold arrays, networks or each other; their plain attributes are their settings.
        attributes = {name: held for name, held in attributes.items() if isinstance(held, str | int | float)}
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **describe(attributes)}


def refuse_foreign(target: Path, marker: str, name: str) -> None:
    """Refuse a `target` that exists, is not empty and was not `generated_by(name)` according to its `marker`."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"`output_dir` must be a folder, {target} is a file")
    if not any(target.iterdir()):
        return
    try:
        ours = json.loads((target / marker).read_text())["GeneratedBy"] == generated_by(name)
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise InputError(f"`output_dir` must be absent, empty or an earlier {name}, but {target} holds something else")
    if not os.access(target, os.W_OK):
        raise InputError(f"`output_dir` must be writable, {target} is not")
