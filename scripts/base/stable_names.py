"""Names of classes and functions that stay the same when the file that holds them moves."""

from collections.abc import Mapping
from typing import Any

# What this bundle's modules begin with, under whatever name its package was imported; configs always say `scripts`.
_OURS = (__name__.removesuffix("base.stable_names"), "scripts.")


def stable_name(target: str | type | Any) -> str:
    """The bare name of a class or function of this bundle, of a foreign one the name with its module.

    `target` is either itself or what a config has as its `_target_`.
    """
    name = target if isinstance(target, str) else f"{target.__module__}.{target.__qualname__}"
    return name.rpartition(".")[2] if name.startswith(_OURS) else name


def with_stable_names(config: Any) -> Any:
    """A copy of a config, or of part of one, in which every `_target_` is a stable name."""
    if isinstance(config, Mapping):
        return {
            key: stable_name(value) if key == "_target_" and isinstance(value, str) else with_stable_names(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return [with_stable_names(value) for value in config]
    return config
