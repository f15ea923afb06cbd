"""What the values of an option may be, as a sentence that both a program and a person can read.

A config declares it under `option_kinds`, by the option's name; such sentences are

    true, false or auto
    true, false or a number from 0 to 1
    0 or a whole number of at least 2
    null or a whole number from 1 to 224

The type belongs to this declaration. Where there is none, an option whose default is true or false is a switch.
"""

import json
import math
import re
import sys
from typing import Any

SWITCH = "true or false"
_NUMBER = re.compile(r"a (whole )?number(?: from (\S+) to (\S+)| of at least (\S+))?")
# The words of the command line, where other values are Python's.
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def to_kind(value: Any, kind: str) -> tuple[bool, Any]:
    """Whether `value` is of a kind, and what it means: words of the command line are the values that they name."""
    meanings = [value]
    if isinstance(value, str) and value.lower() in _WORDS:
        meanings.append(_WORDS[value.lower()])
    for meaning in meanings:
        if any(_is_one(meaning, item) for item in re.split(", | or ", kind)):
            return True, meaning
    return False, value


def _is_one(value: Any, item: str) -> bool:
    match = _NUMBER.fullmatch(item)
    if match:
        whole, low, high, least = match.groups()
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return False
        # A whole number may be beyond what a float holds; as a number that is no size that means something.
        finite = bool(whole) or abs(value) <= sys.float_info.max
        return finite and float(low or least or -math.inf) <= value <= float(high or math.inf)
    literal = _literal(item)
    return type(value) is type(literal) and value == literal


def _literal(item: str) -> Any:
    """A number, true, false or null; any other word is itself."""
    try:
        return json.loads(item)
    except ValueError:
        return item
