"""Refuses override keys that nothing uses, which MONAI would ignore in silence, and values that cannot be.

Every config with a "run" lists the guard as its first entry:

    {"_target_": "scripts.base.overrides.refuse_unknown_overrides", "bundle_root": "@bundle_root"}
"""

import inspect
import sys
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from pydoc import locate
from types import TracebackType
from typing import Any

from monai.bundle import ComponentLocator, ConfigComponent, ConfigParser, ConfigWorkflow, ReferenceResolver

from .arguments import refuse_keys_given_twice
from .current_run import CurrentRun, current_run
from .device import check_device
from .errors import InputError, ReportedError, find_cause
from .option_kinds import SWITCH, to_kind

_SEPARATOR = ReferenceResolver.sep
# Where a config declares what the values of its options may be.
KINDS = "option_kinds"
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
# As a config and the pages write None.
NOTHING = "null"
# As a shell has it of a process that Ctrl-C ended.
INTERRUPTED = 130


def refuse_unknown_overrides(bundle_root: str) -> None:
    """Refuse a wrong `bundle_root`, then any override of the current `monai.bundle run` that changes nothing.

    Overrides are the keys on the command line, in `args_file`, and in the second and later config files; of this
    bundle's own files only the last. A key is used when a reference of the config points to it, into it or to a block
    around it; directly inside a `_target_` block it must also be an argument of the target. A workflow that was not
    started by `monai.bundle.run` is not checked.

    The values of overrides must be of the kinds that the config declares, see `option_kinds.py`; the words `true`,
    `false` and `null`, as which the command line hands them over, become what they mean. The `device` must be there.

    From here on an uncaught ReportedError ends the process with its message alone, and its exit code; so does Ctrl-C.
    """
    sys.excepthook = _print_message
    bundle = Path(__file__).resolve().parents[2]
    if Path(bundle_root).resolve() != bundle:
        raise InputError(f"`bundle_root` must be {bundle}, got `{bundle_root}`; add --bundle_root {bundle}")
    refuse_keys_given_twice(sys.argv[1:])
    run = current_run()
    if run is not None:
        check_overrides(run)


def check_overrides(run: CurrentRun) -> None:
    """Refuse the first override of `run` that changes nothing, or to what it must not be."""
    checker = OverrideChecker(run.files, run.workflow)
    for file in run.files[1:]:
        # What a layer of this bundle's own brings may be there for other files than those laid over it now.
        is_layer = file != run.files[-1] and Path(file).resolve().parent == CONFIGS
        for key, value in ConfigParser.load_config_file(file).items():
            if not key.startswith("_"):
                if not is_layer:
                    checker.check(key, f"key `{key}` of {file}")
                checker.meaning(key, value, f"key `{key}` of {file}")
    for key, value in run.overrides.items():
        checker.check(key, f"override key `{key}`")
        meaning = checker.meaning(key, value, f"override key `{key}`")
        if meaning is not value:
            # MONAI parses the config again, since nothing of it is in use yet.
            run.workflow.parser[key] = meaning


def _print_message(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An excepthook: MONAI wraps what a config raises, and the message would drown in the traceback."""
    if isinstance(error, KeyboardInterrupt):
        print("Interrupted: what is finished is kept, the same command again does the rest", file=sys.stderr)
        raise SystemExit(INTERRUPTED)
    cause = find_cause(error, ReportedError)
    if cause is None:
        sys.__excepthook__(kind, error, trace)
    else:
        print(f"{'Refused' if isinstance(cause, InputError) else 'Failed'}: {cause}", file=sys.stderr)
        if cause.exit_code != 1:
            # Any code but 1 has to be asked for.
            raise SystemExit(cause.exit_code)


class OverrideChecker:
    """Knows which ids the config uses."""

    def __init__(self, files: list[str], workflow: ConfigWorkflow) -> None:
        self.names = ", ".join(files)
        self.merged = workflow.parser
        # MONAI has replaced the `%` references in the merged config; the files still hold them.
        self.written = dict(_walk(ConfigParser.load_config_files(files)))
        self.defaults: dict[str, Any] = {}
        for file in reversed(files):
            content = ConfigParser.load_config_file(file)
            self.defaults |= {ReferenceResolver.normalize_id(id): value for id, value in _walk(content)}
        nodes = [*self.written.items(), *_walk(self.merged.get())]
        self.used = {reference for id, value in nodes for reference in _references(id, value)}
        self.used |= {workflow.init_id, workflow.run_id, workflow.final_id, "imports", ConfigParser.meta_key, KINDS}
        kinds = self.merged.get(KINDS) or {}
        self.kinds = {ReferenceResolver.normalize_id(name): kind for name, kind in kinds.items()}

    def check(self, key: str, label: str) -> None:
        """Raise an InputError that begins with `label` where `key` changes nothing."""
        id = ReferenceResolver.normalize_id(key.removeprefix("+"))
        block, _, name = id.rpartition(_SEPARATOR)
        accepted = _arguments_of_target(self.merged.get(block))
        if self._is_used(id) and (accepted is None or name in accepted):
            return
        known = [other for other in self.written if self._is_used(other)]
        known += [f"{block}{_SEPARATOR}{argument}" for argument in accepted or ()]
        nearest = max(known, key=lambda other: _likeness(id, other)).replace(_SEPARATOR, "#")
        raise InputError(f"{label} is not used by {self.names}; did you mean `{nearest}`?")

    def meaning(self, key: str, value: Any, label: str) -> Any:
        """What the value of `key` means; refuse one that is not of its kind, leaving expressions to MONAI."""
        id = ReferenceResolver.normalize_id(key)
        if isinstance(value, str) and value.startswith(("$", "@", "%")):
            return value
        if id == "device":
            check_device(value)
        kind = self.kinds.get(id) or (SWITCH if self._is_switch(id) else None)
        if kind is None:
            return None if value == NOTHING else value
        fits, meaning = to_kind(value, kind)
        if not fits:
            raise InputError(f"{label} must be {kind}, got {value!r}")
        return meaning

    def _is_switch(self, id: str) -> bool:
        """Whether the default of what is overridden is true or false."""
        block, _, name = id.rpartition(_SEPARATOR)
        argument = (_parameters_of_target(self.merged.get(block)) or {}).get(name)
        default = self.defaults.get(id)
        return isinstance(default, bool) or (argument is not None and isinstance(argument.default, bool))

    def _is_used(self, id: str) -> bool:
        inside = id + _SEPARATOR
        return any(inside.startswith(use + _SEPARATOR) or use.startswith(inside) for use in self.used)


def _walk(config: Any, id: str = "") -> Iterator[tuple[str, Any]]:
    """Every id of the config with its value."""
    if isinstance(config, dict | list):
        for _, sub_id, value in ReferenceResolver.iter_subconfigs(id, config):
            yield sub_id, value
            yield from _walk(value, sub_id)


def _references(id: str, value: Any) -> Iterator[str]:
    """The ids that a string of the config refers to, `id` being its own place."""
    if isinstance(value, str):
        value = ConfigParser.resolve_relative_ids(id, value)
        yield from ReferenceResolver.match_refs_pattern(value)
        if value.startswith("%"):
            file, macro_id = ConfigParser.split_path_id(value[1:])
            if not file:
                yield macro_id


def _arguments_of_target(block: Any) -> set[str] | None:
    """The names a `_target_` block may hold; None where anything goes."""
    parameters = _parameters_of_target(block)
    if parameters is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    return {*parameters, *ConfigComponent.non_arg_keys}


def _parameters_of_target(block: Any) -> Mapping[str, inspect.Parameter] | None:
    """The parameters of what a `_target_` block calls."""
    if not ConfigComponent.is_instantiable(block):
        return None
    target = ConfigComponent(config=block, locator=ComponentLocator()).resolve_module_name()
    component = locate(target) if isinstance(target, str) else target
    return inspect.signature(component).parameters if callable(component) else None


def _likeness(id: str, other: str) -> tuple[float, float]:
    """How alike two ids are: first their last parts, so that a key given without its block is found, then all."""
    last = SequenceMatcher(None, id.rpartition(_SEPARATOR)[2], other.rpartition(_SEPARATOR)[2])
    return last.ratio(), SequenceMatcher(None, id, other).ratio()
