"""Targets: what an image is harmonized to, an image, a stored code, or what is typical of a site of the cohort.

A code file is JSON, and the file of named targets that ships with weights holds such codes by name, one for a contrast:

    {"contrast": "t1w", "method": "haca3", "theta": [0.3, -1.2], "eta": [0.1, 0.4], "scale": 812.3,
     "origin": "site 3, mean of 20", "weights": "5d1f..."}
    {"site_3": {"t1w": {"theta": [0.3, -1.2], "eta": [0.1, 0.4]}, "flair": {"theta": [1.1, 0.2], "eta": [0, 0]}}}

Here `theta` and `eta` are numbers of that method; another method has others.

A name that has one contrast may also hold the code as a code file has it. `site:` with the name of a site stands for
the mean code of that site's images, and `auto` for that of the site whose codes vary the least. Where a method knows
sites by name, `site:` is one of those, and needs no images. A method that has no targets brings all scans to a middle
ground.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.arguments import as_path, as_text, by_contrast
from ..base.contrasts import CONTRAST_OF_SUFFIX, CONTRASTS
from ..base.errors import InputError
from ..base.json_files import read_json
from ..base.text_files import write_json
from ..images.siblings import contrast_of_name

_SITE_PREFIX, _ANY_SITE = "site:", "auto"
COMMON = ("scale", "origin", "weights", "head", "method")
"""Keys of a code file that mean the same for all methods, beside `contrast`."""


@dataclass(frozen=True)
class StoredCode:
    """A code as a file holds it; what its `numbers` mean, the method alone knows that made it.

    `scale` is the intensity that 1.0 stands for. `origin` says where the code comes from, `weights` which weights made
    it, their file's SHA-256 (empty where a person did), `method` which method, `name` by which name or file the user
    calls it. `head` is whether it is of heads or of brains alone, if known.
    """

    contrast: str
    numbers: Mapping[str, Any] = field(hash=False)
    scale: float | None = None
    origin: str = ""
    weights: str = ""
    name: str = ""
    head: bool | None = None
    method: str = ""

    def __post_init__(self) -> None:
        if self.contrast not in CONTRASTS:
            raise InputError(f"`contrast` must be one of {', '.join(CONTRASTS)}, got {self.contrast!r}")
        if self.scale is not None and not (is_number(self.scale) and self.scale > 0):
            raise InputError(f"`scale` must be a finite number above 0, got {self.scale!r}")
        for key, text in (("origin", self.origin), ("weights", self.weights), ("method", self.method)):
            if not isinstance(text, str):
                raise InputError(f"`{key}` must be text, got {text!r}")
        if self.head is not None and not isinstance(self.head, bool):
            raise InputError(f"`head` must be true, false or null, got {self.head!r}")
        if not self.numbers:
            raise InputError("a code must have numbers, it has none")

    def to_json(self) -> dict[str, Any]:
        """What a file holds."""
        method = {"method": self.method} if self.method else {}
        common = {"scale": self.scale, "origin": self.origin, "weights": self.weights, "head": self.head}
        return {"contrast": self.contrast, **self.numbers, **common, **method}


@dataclass(frozen=True)
class SiteTarget:
    """The mean code of the images that the cohort has of one `site`; None is the site whose codes vary the least."""

    site: str | None


@dataclass(frozen=True)
class MiddleGround:
    """What a method without targets makes of all scanners alike; the source is of `scanner`, if that is known."""

    scanner: str | None


TargetSpec = Path | StoredCode | SiteTarget | MiddleGround
NamedTargets = Mapping[str, Mapping[str, StoredCode]]


def read_target_code(path: Path | str) -> StoredCode:
    """Read a code file."""
    return _to_code(read_json(path, "target code"), f"target code {path}", Path(path).name)


def write_target_code(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write a code file, which must end in .json to be recognised later."""
    if Path(path).suffix != ".json":
        raise InputError(f"a target code must be written to a .json file, got {path}")
    write_json(path, dict(content))


def read_named_targets(path: Path | str | NamedTargets) -> NamedTargets:
    """The codes of each name by contrast, if they are not those already.

    There are none where there is no file, since weights may come without named targets.
    """
    if isinstance(path, Mapping):
        return path
    if not Path(path).exists():
        return {}
    content = read_json(path, "named targets")
    if not isinstance(content, Mapping):
        raise InputError(f"named targets {path} must be an object of names, got {content!r:.80}")
    return {name: _codes_of_name(entry, f"named targets {path}, `{name}`", name) for name, entry in content.items()}


def target_names(path: Path | str | NamedTargets) -> list[str]:
    """Every name that can be a target."""
    return [*read_named_targets(path)]


def resolve_targets(
    target: Any, targets: Any, target_contrast: Any, named: NamedTargets, folder: Path = Path()
) -> dict[str, TargetSpec]:
    """Targets by contrast, from `target` or `targets` as the command line gives them; `folder` is where paths begin."""
    if (target is None) == (targets is None):
        got = "neither" if target is None else "both"
        raise InputError(f"exactly one of `target` and `targets` must be given, got {got}")
    if target is None:
        if target_contrast is not None:
            raise InputError(f"`target_contrast` belongs to `target`, got {target_contrast!r} beside `targets`")
        chosen = by_contrast(targets, "targets")
        return {contrast: resolve_target(value, contrast, named, folder) for contrast, value in chosen.items()}
    if target_contrast is None:
        target_contrast = _contrast_of_target(target, named, folder)
    elif target_contrast not in CONTRASTS:
        raise InputError(f"`target_contrast` must be one of {', '.join(CONTRASTS)}, got {target_contrast!r}")
    return {target_contrast: resolve_target(target, target_contrast, named, folder)}


def resolve_target(value: Any, contrast: str, named: NamedTargets, folder: Path = Path()) -> TargetSpec:
    """What `value` stands for as the target of one contrast: a named code, a code file, or else an image."""
    found = _find(value, named, folder)
    if isinstance(found, Path | SiteTarget):
        return found
    if contrast not in found:
        raise InputError(f"target `{value}` is a code of {', '.join(found)} and cannot be the target of {contrast}")
    return found[contrast]


def _find(value: Any, named: NamedTargets, folder: Path) -> Path | SiteTarget | Mapping[str, StoredCode]:
    """An image, a site, or the codes by contrast."""
    text = as_text(value, "target")
    if text in named:
        return named[text]
    if text.startswith(_SITE_PREFIX) and any(name.startswith(_SITE_PREFIX) for name in named):
        raise InputError(f"target `{text[:200]}` must be one that the method knows by name: {', '.join(named)}")
    if text == _ANY_SITE or text.startswith(_SITE_PREFIX):
        return SiteTarget(text.removeprefix(_SITE_PREFIX) if text != _ANY_SITE else None)
    path = as_path(text, folder)
    if path.suffix == ".json":
        code = read_target_code(path)
        return {code.contrast: code}
    if path.name.lower().endswith((".nii", ".nii.gz")) or _is_file(path):
        return path
    names = f"a name ({', '.join(named)})" if named else "a name (these weights come with none)"
    raise InputError(
        f"target `{text[:200]}` must be {names}, a code file (.json) or an image (.nii, .nii.gz), or else"
        f" `{_SITE_PREFIX}` with a site of the cohort, or `{_ANY_SITE}`"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # What no file can be called.
        return False


def _contrast_of_target(value: Any, named: NamedTargets, folder: Path) -> str:
    found = _find(value, named, folder)
    if isinstance(found, Path):
        suffixes = ", ".join(f"_{suffix}" for suffix in CONTRAST_OF_SUFFIX)
        contrasts, reason = [contrast_of_name(found)], f"does not end in one of {suffixes}"
    elif isinstance(found, SiteTarget):
        contrasts, reason = [], "may be of any contrast"
    else:
        contrasts, reason = [*found], f"has codes of {', '.join(found)}"
    if len(contrasts) == 1 and contrasts[0] is not None:
        return contrasts[0]
    way_out = f"say which contrast is meant with `target_contrast`, one of {', '.join(CONTRASTS)}"
    raise InputError(f"target `{value}` {reason}: {way_out}")


def _codes_of_name(entry: Any, where: str, name: str) -> dict[str, StoredCode]:
    if isinstance(entry, Mapping) and "contrast" in entry:
        code = _to_code(entry, where, name)
        return {code.contrast: code}
    if not isinstance(entry, Mapping) or not entry:
        raise InputError(f"{where} must hold codes by contrast, got {entry!r}")
    codes = {}
    for contrast, content in entry.items():
        code = _to_code({"contrast": contrast} | content if isinstance(content, dict) else content, where, name)
        if code.contrast != contrast:
            raise InputError(f"{where}: the code under `{contrast}` must be of that contrast, it is of {code.contrast}")
        codes[contrast] = code
    return codes


def _to_code(content: Any, where: str, name: str) -> StoredCode:
    """Check and convert what JSON holds; errors begin with `where`."""
    try:
        if not isinstance(content, Mapping):
            raise InputError(f"a code must be an object with a contrast and its numbers, got {content!r:.80}")
        if "contrast" not in content:
            raise InputError("a code must have a contrast, `contrast` is missing")
        numbers = {key: value for key, value in content.items() if key not in ("contrast", *COMMON)}
        return StoredCode(
            content["contrast"], numbers, name=name, **{key: content[key] for key in COMMON if key in content}
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def is_number(value: Any) -> bool:
    """Whether JSON can hold it as a number and a float can too; NaN compares as False."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
