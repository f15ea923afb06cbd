"""The pages in a real Chromium, from disk: nothing is reported as an error, and what they promise works."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.base.text_files import write_text
from scripts.qc.cohort import cohort_page
from scripts.qc.measures import MEASURES
from scripts.qc.slices import encode_png
from tests.harmonize.tiny_subjects import harmonize, write_ball

from .browser import CHROMIUM, Page, open_browser
from .test_cohort import summary, two_sites

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of two subjects, one of whom has two contrasts."""
    folder = tmp_path_factory.mktemp("reports")
    jobs = []
    for number, contrasts in ((1, ("t1w", "flair")), (2, ("t1w",))):
        sources = {c: str(write_ball(folder / "in" / f"sub-0{number}_{c}.nii.gz", seed=number)) for c in contrasts}
        if number == 1:
            sources["flair"] = str(write_ball(folder / "in" / "sub-01_flair.nii.gz", seed=9, gain=3))
        jobs.append({"subject": f"0{number}", "sources": sources})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    target = write_ball(folder / "in" / "site_T1w.nii.gz", seed=5, gain=40)
    given = {"cohort_file": str(folder / "jobs.json"), "target": str(target), "target_contrast": "t1w"}
    return harmonize(folder / "out", "method_mean_std.json", **given, qc_report=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def test_subject_page_opens_without_an_error_and_its_images_are_drawn(page, output):
    page.open(output / "sub-01.html")
    assert page.run("document.querySelectorAll('svg.sheet').length") == 2
    drawn = (
        "Promise.all([...document.querySelectorAll('svg image')].map((i) => createImageBitmap(i).then((b) => b.width)))"
    )
    widths = page.run(drawn)
    assert len(widths) > 20 and min(widths) > 0
    assert page.problems == []


def test_cohort_page_shows_the_slices_of_everybody(page, output):
    page.open(output / "index.html")
    page.wait_for("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert page.run("document.images.length") == 2
    assert page.problems == []


def test_on_paper_nothing_is_dark_or_cut_or_for_the_screen_alone(page, output, tmp_path):
    everything = {key: 0.5 for key in MEASURES}
    write_text(tmp_path / "index.html", cohort_page([replace(s, values=everything) for s in two_sites(4)], 3.5))
    # Of A4 and of US letter, across for the cohort, with the margins of Chromium: pixels of 1/96 inch.
    for path, width in ((output / "sub-01.html", 717), (tmp_path / "index.html", 979)):
        page.open(path)
        page.run("document.documentElement.dataset.theme = 'dark'")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        page.call("Emulation.setEmulatedMedia", media="print")
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert page.run("[...document.querySelectorAll('.screen')].every((e) => e.offsetHeight === 0)")
        assert page.run("document.documentElement.scrollWidth") <= width
        page.call("Emulation.setEmulatedMedia", media="")
        page.call("Emulation.clearDeviceMetricsOverride")
    assert page.run("getComputedStyle(document.querySelector('.table')).overflowX") == "auto"


@pytest.mark.slow
def test_pressing_a_heading_sorts_and_pressing_it_again_turns_the_order(page, tmp_path):
    summaries = [summary(n, {"change": value}) for n, value in enumerate((0.2, 0.9, 0.1))]
    summaries += [summary(3), *two_sites(12)[4:]]
    write_text(tmp_path / "index.html", cohort_page(summaries, 3.5))
    for one in summaries:
        (tmp_path / one.thumbnail).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one.thumbnail).write_bytes(encode_png(np.zeros((2, 2), np.uint8)))
    page.open(tmp_path / "index.html")
    head = "[...document.querySelectorAll('th button')].find((b) => b.textContent === 'Change of brightness')"
    column = "[...document.querySelectorAll('.cohort tbody tr')].map((row) => row.cells[0].textContent)"
    page.run(f"{head}.click()")
    falling = page.run(column)
    page.run(f"{head}.click()")
    rising = page.run(column)
    assert falling[:2] == ["sub-01", "sub-00"] and rising[0] == "sub-02" and rising[-2:] != falling[-2:]
    # What has no value comes last either way.
    assert falling[-1] == rising[-1] == "sub-03"
    assert page.run(f"{head}.closest('th').getAttribute('aria-sort')") == "ascending"
    page.run("document.querySelector('th button').click()")
    assert page.run(column) == sorted(page.run(column), reverse=True)
    assert page.problems == []


@pytest.mark.slow
def test_viewer_shows_both_images_and_its_panes_are_linked(page, output):
    page.open(output / "sub-01.html")
    page.run("document.querySelector('.start').click()")
    page.wait_for("document.getElementById('viewer').dataset.ready === 'yes'", 180)
    page.run("document.getElementById('viewer').scrollIntoView()")
    boxes = page.run(
        "[...document.querySelectorAll('canvas')].map((c) => Object.values(c.getBoundingClientRect().toJSON()))"
    )
    places = "[...document.querySelectorAll('.pane output')].map((text) => text.textContent)"
    for box in boxes:
        assert _brightness(page, box) > 1
    before = page.run(places)
    left, top, width, height = boxes[0][:4]
    page.click(left + 0.2 * width, top + 0.25 * height)
    page.wait_for(f"{places}[1] !== {json.dumps(before[1])}")
    first, second = (text.partition(" mm")[0] for text in page.run(places))
    assert first == second
    page.run("{ const v = document.querySelector('.view'); v.value = '0'; v.dispatchEvent(new Event('change')); }")
    assert page.problems == []


@pytest.mark.slow
def test_dark_and_light_are_the_readers_choice(page, output):
    page.open(output / "sub-02.html")
    color = "getComputedStyle(document.body).backgroundColor"
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    dark = page.run(color)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    assert page.run(color) == "rgb(255, 255, 255)" != dark
    page.run("document.getElementById('theme').click()")
    assert page.run(color) == dark


def _brightness(page: Page, box: list[float]) -> float:
    """Mean gray value of a part of the window."""
    left, top, width, height = (round(number) for number in box[:4])
    picture = Image.open(io.BytesIO(page.screenshot())).convert("L")
    return float(np.asarray(picture.crop((left, top, left + width, top + height))).mean())
