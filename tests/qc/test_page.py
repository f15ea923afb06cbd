"""The page of a subject: what it says in words, and that it holds no markup but its own."""

import base64
import hashlib
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.base.regions import REGIONS
from scripts.qc.comparison import compare
from scripts.qc.figures import Sheet
from scripts.qc.image_report import ImageReport, Look
from scripts.qc.page import SECTIONS, Figures, draw, subject_page
from scripts.qc.slices import Cell
from scripts.qc.verdicts import Limits, judge_severities

from .small_subject import harmonized, small_subject, textured

HOSTILE = '<script>alert("1")</script>&\''
ESCAPED = "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;&#39;"


def image_report(**more: Any) -> ImageReport:
    """Of a subject of two sources."""
    subject = small_subject(t1w=textured(), flair=textured(1))
    comparison = compare(subject, harmonized(textured()), "t1w", "t1w", torch.from_numpy(textured(2)))
    sidecar = {
        "Method": {"name": "a method", "weights": {}, "software": {"brain_mri_harmonization": "1.0"}, "options": {}},
        "Target": {"file": "target.nii"},
        "SourceImages": {name: {"file": f"{name}.nii"} for name in comparison.sources},
        "Reference": "t1w",
        "Found": {},
    }
    scores = {"t1w": 0.2, "flair": 1.0}
    limits = Limits()
    given: dict[str, Any] = {
        "values": {"edges": 0.876},
        "regions": None,
        "verdicts": judge_severities(scores, {}, None, limits),
        **more,
    }
    return ImageReport(
        comparison, sidecar, codes={}, scores=scores, target_score=None, usual={}, limits=limits, look=Look(), **given
    )


def page(*images: ImageReport, sections: tuple[str, ...] = SECTIONS, name: str = "sub-1") -> str:
    return subject_page(name, images, sections, Figures(lambda figure, _: f"{figure}.svg"), None, "index.html")


def test_changes_of_volumes_above_the_limit_are_marked():
    regions = {REGIONS[0]: (2.0, 2.3), REGIONS[1]: (2.0, 2.1), REGIONS[2]: (0.0, 1.0)}
    text = page(image_report(regions=regions))
    assert '<td class="number flag">+15.0 %</td>' in text and '<td class="number">+5.0 %</td>' in text
    assert '<td class="number">new</td>' in text
    assert "agree to 0.88" in text


def test_what_is_cut_off_is_said_first_even_with_random_weights():
    cut = image_report(values={"edges": 0.1, "outside": 0.002})
    assert "0.2 % of the source lies outside the grid" in page(cut) and "only to 0.10" in page(cut)
    cut.sidecar["Method"]["weights"]["random"] = True
    text = page(cut)
    assert "0.2 % of the source lies outside the grid" in text and "only to 0.10" not in text


@pytest.mark.parametrize("key", ["file", "name", "choice", "option", "weights", "subject"])
def test_what_a_user_names_is_text(key):
    image = image_report()
    method, target = image.sidecar["Method"], image.sidecar["Target"]
    {
        "file": image.sidecar["SourceImages"]["t1w"],
        "name": target,
        "choice": image.sidecar["Found"],
        "option": method["options"],
        "weights": method["weights"],
        "subject": {},
    }[key].update({"file": HOSTILE, HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}], "choices": [HOSTILE]})
    text = page(image, name=HOSTILE if key == "subject" else "sub-1")
    assert ESCAPED in text and "<script>alert" not in text


def test_only_the_scripts_of_the_report_may_run():
    text = page(image_report())
    policy = re.search('Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'" and f"'sha256-{digest}'" in rules["script-src"]
    assert "unsafe-inline" not in rules["script-src"] and "http" not in policy[1]


def test_headings_captions_and_legends_have_no_symbols_of_a_method():
    text = re.sub("<(script|style|svg).*?</\\1>", "", page(image_report()), flags=re.DOTALL)
    assert not re.search(r"\b(theta|eta|beta)\b", text, re.IGNORECASE)


def test_sections_come_in_the_order_asked_for_and_the_same_page_has_the_same_bytes():
    image = image_report()
    text = page(image, sections=("histogram", "overview"))
    assert re.findall("<h3>([^<]+)</h3>", text) == ["Viewer", "Histograms", "Before and after"]
    assert page(image) == page(replace(image))


def test_a_sheet_is_an_svg_of_its_own_that_holds_its_pictures():
    pixels = np.full((4, 6), 77, np.uint8)
    sheet = Sheet(["before", HOSTILE], [(HOSTILE, [Cell(pixels, [("M0 0V1", "#fff")], "RLAP"), Cell(pixels)])], "both")
    root = ElementTree.fromstring(draw(sheet))
    space = "{http://www.w3.org/2000/svg}"
    assert [text.text for text in root.iter(f"{space}text")] == ["before", HOSTILE, HOSTILE, "R", "L", "A", "P"]
    images = [image.get("href", "") for image in root.iter(f"{space}image")]
    assert len(images) == 2
    for image in images:
        content = base64.b64decode(image.removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)


def test_pictures_of_any_size_fill_their_columns():
    cells = [Cell(np.zeros((size, size), np.uint8)) for size in (20, 180)]
    widths = {Sheet(["a", "b", "c"], [("", [cell] * 3)], "").size[0] for cell in cells}
    assert len(widths) == 1
