"""What the `monai.bundle run` that is under way was given, which MONAI hands to no config."""

import inspect
import json
import sys
from dataclasses import dataclass
from typing import Any

from monai.bundle import ConfigWorkflow, update_kwargs
from monai.bundle import run as monai_bundle_run
from monai.utils import ensure_tuple

_RUN_ARGUMENTS = inspect.signature(monai_bundle_run).parameters
_NO_OVERRIDES = {*_RUN_ARGUMENTS, *inspect.signature(ConfigWorkflow).parameters, "workflow_name"}


@dataclass(frozen=True)
class CurrentRun:
    """The names of the config files, what overrides them, and the workflow that holds what both come to."""

    files: list[str]
    overrides: dict[str, Any]
    workflow: ConfigWorkflow


def current_run() -> CurrentRun | None:
    """The run that is under way, if it was started by `monai.bundle.run`.

    It is read from the calling frame, where the command line is already parsed.
    """
    frame = sys._getframe()
    while frame.f_code is not monai_bundle_run.__code__:
        if frame.f_back is None:
            return None
        frame = frame.f_back
    given = {name: frame.f_locals[name] for name in _RUN_ARGUMENTS}
    given = update_kwargs(given.pop("args_file"), **given.pop("override"), **given)
    files = [str(file) for file in ensure_tuple(given["config_file"])]
    overrides = {key: value for key, value in given.items() if key not in _NO_OVERRIDES}
    return CurrentRun(files, overrides, frame.f_locals["workflow"])


def merged_config() -> dict[str, Any]:
    """The config of the current run with its overrides, as one JSON file would have it; without a run, it is empty."""
    run = current_run()
    config = {} if run is None else run.workflow.parser.get()
    return json.loads(json.dumps({key: config[key] for key in config if not key.startswith("_")}, default=str))
