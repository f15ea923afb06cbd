"""Which folder of scripts/ may import which, and which words stay within a method's own folder."""

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
# What every method may build on.
METHOD = {
    *(
        "methods/base",
        "layers",
        "inferers",
        "artifacts",
        "sampler",
        "training",
        "phantom",
        "preprocessing",
        "jobs",
        "images",
    ),
    *("metrics", "base"),
}
MAY_IMPORT: Mapping[str, set[str]] = {
    "base": set(),
    "images": {"base"},
    "layers": {"base"},
    "metrics": {"base", "images"},
    "preprocessing": {"base", "images"},
    "registration": {"base", "images"},
    "inferers": {"base", "images"},
    "jobs": {"base", "images"},
    "phantom": {"base", "images", "preprocessing"},
    "artifacts": {"base", "images", "metrics", "phantom"},
    "sampler": {"base", "images", "metrics", "phantom"},
    "training": {"base", "images", "inferers", "jobs", "metrics", "phantom", "preprocessing", "sampler"},
    "segmenter": {"base", "images", "inferers", "metrics", "phantom", "training"},
    "methods/base": {"base", "inferers", "jobs"},
    "methods/classical": METHOD,
    "methods/haca3": METHOD,
    # It tells of slices as HACA3 does.
    "methods/haca3plus": METHOD | {"methods/haca3"},
    "methods/mispel": METHOD,
    "methods/ssim": METHOD,
    "methods/mmh": METHOD,
    # The engine and its report know the contract of methods and no method.
    "harmonize": {"base", "images", "inferers", "jobs", "methods/base", "registration"},
    "qc": {"harmonize", "metrics", "images", "inferers", "jobs", "base", "methods/base"},
    # Scanners are compared before and after Nyul's matching too.
    "evaluation": {"base", "images", "jobs", "methods/classical", "metrics", "phantom"},
    # These measure, time and hand out the methods that there are.
    "distribution": {
        "base",
        "harmonize",
        "images",
        "inferers",
        "jobs",
        "methods/base",
        "methods/haca3",
        "methods/haca3plus",
        "training",
    },
    "experiments": {
        *("artifacts", "base", "evaluation", "harmonize", "images", "methods/base", "methods/classical"),
        *("methods/haca3", "metrics", "sampler", "training"),
    },
    "bench": {
        *("base", "distribution", "evaluation", "experiments", "harmonize", "images", "inferers", "methods/haca3"),
        *("methods/haca3plus", "methods/mmh"),
        *("metrics", "phantom", "preprocessing", "registration", "sampler", "training"),
    },
}
# HACA3's names for parts of its code, which mean nothing to another method.
HACA3_WORDS = re.compile(r"\b(theta|eta)\b", re.IGNORECASE)
MAY_SAY_THEM = {
    *("methods/haca3", "methods/haca3plus", "experiments", "bench"),
    "distribution/export_onnx.py",
    # ComBat's own theta, in the formulas of its paper.
    "evaluation/combat.py",
}
# Says so in its docs, as an example of a file.
EXAMPLE = "jobs/targets.py"


def folder_of(parts: tuple[str, ...]) -> str:
    """Of a module below scripts/; each method counts as one, and so does the contract of all."""
    return "/".join(parts[: 2 if parts[0] == "methods" else 1])


def imports(file: Path) -> Iterator[tuple[str, ...]]:
    """Modules below scripts/ that a file of it imports, anywhere in it."""
    package = ("scripts", *file.relative_to(SCRIPTS).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        found: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            found = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = (*start, *(node.module.split(".") if node.module else ()))
            found = [(*module, alias.name) for alias in node.names]
        yield from (module[1:] for module in found if module[0] == "scripts" and module[1:])


def test_imports_are_found_however_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_layering.SCRIPTS", tmp_path)
    file = tmp_path / "methods" / "mine" / "part.py"
    file.parent.mkdir(parents=True)
    lines = ["from ...base.errors import InputError", "from ..base import Code", "from .. import haca3"]
    lines += ["from .other import thing", "import scripts.qc.page", "import torch", "from scripts.jobs import jobs"]
    file.write_text("\n".join([*lines, "def late():\n    from ...images import nifti"]))
    assert {folder_of(module) for module in imports(file)} == {
        *("base", "methods/base", "methods/haca3", "methods/mine", "qc", "jobs", "images"),
    }


def modules() -> list[Path]:
    return sorted(file for file in SCRIPTS.rglob("*.py") if file.parent != SCRIPTS)


def folder_of_file(file: Path) -> str:
    return folder_of(file.relative_to(SCRIPTS).with_suffix("").parts)


def graph() -> dict[str, set[str]]:
    """What each folder does import."""
    found: dict[str, set[str]] = {folder: set() for folder in MAY_IMPORT}
    for file in modules():
        found.setdefault(folder_of_file(file), set()).update(map(folder_of, imports(file)))
    return {folder: others - {folder} for folder, others in found.items()}


def test_every_folder_has_its_place():
    there = {folder_of_file(file) for file in modules() if file.name != "__init__.py"}
    assert there == MAY_IMPORT.keys()


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_none_but_those_below_it(folder):
    allowed = MAY_IMPORT[folder] | {folder}
    wrong = [
        f"{file.relative_to(SCRIPTS)} imports {'.'.join(module)}"
        for file in modules()
        if folder_of_file(file) == folder
        for module in imports(file)
        if folder_of(module) not in allowed
    ]
    assert not wrong


def private_imports(file: Path) -> list[str]:
    """Names with one leading underscore that a file takes from another one, or in its path."""
    return [
        f"{file.name} imports {name}"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for name in (f"{node.module or ''}.{alias.name}" for alias in node.names)
        if re.search(r"(^|\.)_(?!_)", name)
    ]


def test_private_imports_are_found(tmp_path):
    file = tmp_path / "part.py"
    lines = ["from __future__ import annotations", "from .a import _b, c", "from ._d import e", "from torch import _C"]
    file.write_text("\n".join(lines))
    assert private_imports(file) == ["part.py imports a._b", "part.py imports _d.e", "part.py imports torch._C"]


def test_no_file_imports_what_is_private_to_another():
    assert [found for file in modules() for found in private_imports(file)] == []


@pytest.mark.parametrize("allowed", [MAY_IMPORT, graph()], ids=["allowed", "done"])
def test_no_folders_import_each_other_in_a_ring(allowed):
    try:
        TopologicalSorter(allowed).prepare()
    except CycleError as error:
        pytest.fail(f"a ring: {' -> '.join(error.args[1])}")


def sayings(file: Path, text: str) -> list[str]:
    return [f"{file.relative_to(SCRIPTS)}: {line.strip()}" for line in text.splitlines() if HACA3_WORDS.search(line)]


def test_no_file_but_haca3s_own_speaks_of_the_parts_of_its_code():
    said = []
    for file in (path for path in SCRIPTS.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        name = file.relative_to(SCRIPTS).as_posix()
        if any(name == place or name.startswith(f"{place}/") for place in MAY_SAY_THEM):
            continue
        text = file.read_text(encoding="utf-8")
        if name == EXAMPLE:
            docs = ast.get_docstring(ast.parse(text), clean=False) or ""
            assert HACA3_WORDS.search(docs)
            text = text.replace(docs, "")
        said += sayings(file, text)
    assert not said
