"""NiiVue, the viewer of volumes, from the package that carries it; none of it is part of this bundle.

ipyniivue's widget, a single file of JavaScript, holds NiiVue a second time, as the text that it writes into pages which
are to stand alone: an ES module, URL-encoded. That text is what is taken here. The package is not imported.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from ..base.errors import InputError

_LONG_TEXT = re.compile('"([^"\\\\]{1000000,})"')


@dataclass(frozen=True)
class NiiVue:
    """The ES module, and the package with its version that it was taken from."""

    module: str
    package: str


@lru_cache
def find_niivue(package: str = "ipyniivue") -> NiiVue:
    """NiiVue as the installed package has it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(
            f"the viewer of the report needs the package {package}: pip install -r requirements-report.txt,"
            " or go without by --report#viewer_megabytes 0"
        )
    widget = Path(spec.origin).with_name("static") / "widget.js"
    release = f"{package} {version(package)}"
    texts = map(unquote, _LONG_TEXT.findall(widget.read_text(encoding="utf-8"))) if widget.is_file() else ()
    module = next((text for text in texts if re.search(r"export\s*{[^}]*\bNiivue\b", text)), "")
    if not module:
        raise InputError(
            f"the installed {release} must carry a NiiVue that stands alone and does not; for the viewer of the report,"
            " pip install -r requirements-report.txt, or go without by --report#viewer_megabytes 0"
        )
    return NiiVue(module, release)
