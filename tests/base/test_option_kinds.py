import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.base.option_kinds import to_kind


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("true or false", {"true": True, "FALSE": False, True: True}, [1, 0, 0.0, "yes", None, []]),
        ("auto, none or rigid", {"auto": "auto", "none": "none"}, ["None", None, "Auto", "rigid "]),
        ("null or a whole number from 1 to 224", {"null": None, None: None, 224: 224}, [0, 225, 1.0, True, "3"]),
        ("0 or a whole number of at least 2", {0: 0, 2: 2, 10**30: 10**30}, [1, -1, 0.0, False, math.inf]),
        ("a number from 0 to 1", {0: 0, 0.5: 0.5, 1: 1}, [True, math.nan, 1.0000001, "0.5"]),
        ("a number", {-3.5: -3.5}, [math.inf, math.nan, 10**400, "1"]),
    ],
)
def test_a_kind_says_what_is_good_and_what_it_means(kind: str, good: dict[Any, Any], bad: list[Any]):
    for value, meaning in good.items():
        fits, found = to_kind(value, kind)
        assert fits and found == meaning and type(found) is type(meaning), value
    assert [value for value in bad if to_kind(value, kind)[0]] == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(ANYTHING)
def test_any_value_is_of_a_kind_or_not(value):
    share, _ = to_kind(value, "true, false or a number from 0 to 1")
    words = isinstance(value, str) and value.lower() in ("true", "false")
    number = isinstance(value, int | float) and 0 <= value <= 1
    assert share == (words or number)
