"""Keys and values of overrides as no user means them: each is taken for what it is, or refused in words."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fire.parser import DefaultParseValue
from monai.bundle import ConfigWorkflow

from scripts.base.errors import InputError
from scripts.base.overrides import OverrideChecker

CONFIGS = Path(__file__).parents[2] / "configs"
VALUES = (
    "true",
    "None",
    "null",
    "-1",
    "0.5",
    "1e999",
    "nan",
    "[]",
    "{'a': 1, 'a': 2}",
    "[[[1]]]",
    "'",
    "a b",
    "é",
    "gpu",
)
MORE_VALUES = ("cuda:99", "0x10", "1_000", "((", "t1w", "\\", "\x00", "[" * 500, "9" * 5000, "a" * 10_000, "")
PIECES = ("#", "::", "##", "#0", "#-1", "#99999", "+", "_", "é", " ", "$", "@", "%", "\0", "a" * 300, "_target_", "")


@pytest.fixture(scope="module")
def checker() -> OverrideChecker:
    files = [str(CONFIGS / "inference.json")]
    return OverrideChecker(files, ConfigWorkflow(files, str(CONFIGS / "metadata.json"), False))


def some_key(known: list[str], rng: np.random.Generator) -> str:
    """One of the config, in half of all cases with something put into it or cut out of it."""
    key = known[rng.integers(len(known))]
    if rng.random() < 0.5:
        return key
    start = int(rng.integers(len(key) + 1))
    return key[:start] + PIECES[rng.integers(len(PIECES))] + key[start + int(rng.integers(3)) :]


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 10_200), marks=pytest.mark.slow)], ids=len)
def test_an_override_is_taken_or_refused_in_words(checker, seeds):
    known = [id for id in checker.written if id]
    found: Counter[str] = Counter()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        key, texts = some_key(known, rng), VALUES + MORE_VALUES
        value: Any = DefaultParseValue(texts[rng.integers(len(texts))])
        try:
            checker.check(key, f"override key `{key}`")
            checker.meaning(key, value, f"override key `{key}`")
            found["taken"] += 1
        except InputError as error:
            assert str(error).startswith((f"override key `{key}`", "`device` must be"))
            found["refused"] += 1
        except Exception as error:
            error.add_note(f"seed {seed}, key {key!r}, value {value!r:.50}")
            raise
    print(dict(found))
    assert min(found["taken"], found["refused"]) > len(seeds) / 10
