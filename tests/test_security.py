"""Nothing that a file holds is run, but for configs, which are code."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

BUNDLE = Path(__file__).parents[1]
RUN_WHAT_THEY_READ = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
# Has a pickle's names mean tensors, dicts and placeholders, and refuses all others.
HARMLESS_READER = "scripts/base/checkpoint_archive.py"
SAFE = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted((BUNDLE / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            yield f"{path.relative_to(BUNDLE)}:{getattr(node, 'lineno', 0)}", node


def test_no_module_is_imported_that_runs_what_it_reads():
    for place, node in nodes():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found = RUN_WHAT_THEY_READ & {name.partition(".")[0] for name in names}
        assert not found or place.startswith(f"{HARMLESS_READER}:"), place


def test_the_one_reader_of_pickles_finds_names_itself():
    classes = [node for place, node in nodes() if place.startswith(HARMLESS_READER) and isinstance(node, ast.ClassDef)]
    (reader,) = (node for node in classes if "pickle.Unpickler" in map(ast.unparse, node.bases))
    assert "find_class" in {node.name for node in reader.body if isinstance(node, ast.FunctionDef)}
    calls = {ast.unparse(node.func) for _, node in nodes() if isinstance(node, ast.Call)}
    assert not calls & {"pickle.load", "pickle.loads", "pickle.Unpickler"}


def test_no_text_is_run_as_code_or_by_a_shell():
    for place, node in nodes():
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("eval", "exec", "compile", "os.system"), place
            assert not any(keyword.arg == "shell" for keyword in node.keywords), place


def test_files_of_tensors_and_arrays_are_read_as_data():
    found = set()
    for place, node in nodes():
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if name in SAFE:
            found.add(name)
            argument, safe = SAFE[name]
            given = {
                keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg == argument
            }
            # NumPy's default is the safe one; PyTorch's depends on its version.
            assert given.get(argument, name == "np.load" and safe) is safe, place
    assert "torch.load" in found


def test_the_audit_sees_every_package_of_the_environment():
    if find_spec("pip_audit") is None:
        pytest.skip("pip-audit is not installed")
    command = [sys.executable, "-m", "pip_audit", "--dry-run", "--strict"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (count,) = re.findall(r"would have audited (\d+) packages", result.stderr)
    pinned = {
        line for file in BUNDLE.glob("requirements*.txt") for line in file.read_text().splitlines() if "==" in line
    }
    assert int(count) > len(pinned)
    assert "pip_audit --strict" in (BUNDLE / "Makefile").read_text()
