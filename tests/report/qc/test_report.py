"""configs/inference.json with its report: what lies where, what makes it anew, and that it says what happened."""

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.errors import InputError
from scripts.io.weights import save_weights, seed_weights
from scripts.report.qc.report import QcReport
from tests.engines.tiny_subjects import harmonize, narrow_network, write_ball

NAME = "sub-01_ses-02"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A subject's images, whose names hold what HTML would take for markup, and a target."""
    folder = tmp_path_factory.mktemp("images")
    write = {"t1w": "sub-01_ses-02_<b>&_T1w.nii.gz", "flair": "sub-01_ses-02_FLAIR.nii.gz"}
    paths = {contrast: write_ball(folder / name, seed) for seed, (contrast, name) in enumerate(write.items())}
    return {**paths, "target": write_ball(folder / "<img src=x onerror=alert(1)>_T1w.nii.gz", seed=3, gain=40)}


@pytest.fixture(scope="module")
def full(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of HACA3+ with everything that can be asked for."""
    return harmonize(
        tmp_path_factory.mktemp("full") / "out",
        sources={contrast: str(images[contrast]) for contrast in ("t1w", "flair")},
        target=str(images["target"]),
        target_contrast="t1w",
        maps=["attention", "uncertainty", "imputed"],
        qc_report=True,
    )


def run_baseline(folder: Path, images: dict[str, Path], **overrides: object) -> Path:
    sources = {contrast: str(images[contrast]) for contrast in ("t1w", "flair")}
    given = {"sources": sources, "target": str(images["target"]), "target_contrast": "t1w", "qc_report": True}
    return harmonize(folder, "method_mean_std.json", **{**given, **overrides})


@pytest.fixture(scope="module")
def plain(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a method that gives an image and nothing else."""
    return run_baseline(tmp_path_factory.mktemp("plain") / "out", images)


def headings(page: Path) -> list[str]:
    return re.findall("<h3>([^<]+)</h3>", page.read_text(encoding="utf-8"))


def test_a_page_has_a_section_for_everything_that_the_method_tells(full):
    assert headings(full / f"{NAME}.html") == [
        "Viewer",
        "Before and after",
        "Slices",
        "Intensities",
        "Where it looked",
        "Imputed region",
        "Uncertainty",
        "Anatomy check",
        "Parameters and versions",
    ]


def test_a_page_of_a_method_that_gives_an_image_alone_leaves_the_rest_out(plain):
    sections = ["Viewer", "Before and after", "Slices", "Intensities", "Anatomy check"]
    assert headings(plain / f"{NAME}.html") == [*sections, "Parameters and versions"]


def test_random_weights_are_called_meaningless_and_nothing_is_judged(full):
    page = (full / f"{NAME}.html").read_text(encoding="utf-8")
    assert "Meaningless: random weights." in page
    assert "Signs of artifacts" not in page and "Look at this first" not in page and "Nothing stands out" not in page


def test_weights_that_are_not_random_have_their_artifact_scores_judged(images, tmp_path):
    network = narrow_network()
    seed_weights(network, 5)
    save_weights(network.state_dict(), tmp_path / "models" / "model.pt")
    out = harmonize(
        tmp_path / "out",
        sources={contrast: str(images[contrast]) for contrast in ("t1w", "flair")},
        target=str(images["target"]),
        target_contrast="t1w",
        random_weights=False,
        models_dir=str(tmp_path / "models"),
        qc_report=True,
        **{"weights#paths": ["$@models_dir + '/model.pt'"]},
    )
    page = (out / f"{NAME}.html").read_text(encoding="utf-8")
    assert "Signs of artifacts" in headings(out / f"{NAME}.html") and "Meaningless" not in page
    (summary,) = json.loads(next(out.rglob("*_qc.json")).read_text())["Targets"]
    found = json.loads(next(out.rglob("*desc-harmonized_T1w.json")).read_text())["Found"]["sources"]
    assert summary["values"]["severity"] == max(source["severity"] for source in found.values())
    for source in found.values():
        assert f'<td class="number">{source["severity"]:.2f}</td>' in page
    # What the network reads of the target is where distances are measured from.
    theta = {when: np.array(code["theta"]) for when, code in summary["codes"].items()}
    assert set(theta) == {"before", "after", "target"}
    distance = float(np.linalg.norm(theta["before"] - theta["target"]))
    assert summary["values"]["contrast_before"] == pytest.approx(distance, rel=1e-5)


def test_figures_lie_in_the_folder_of_the_subject_and_page_and_validator_know_them(full):
    folder = full / "sub-01" / "figures"
    names = {path.name.removeprefix(f"{NAME}_desc-") for path in folder.iterdir()}
    kinds = ("overview", "slices", "histogram", "attention", "attentionprofile", "attentionmaps", "uncertainty")
    drawn = {f"{kind}_T1w.svg" for kind in kinds}
    assert names == {*drawn, "thumbnail_T1w.png", "summary_qc.json"}
    page = (full / f"{NAME}.html").read_text(encoding="utf-8")
    for name in drawn:
        assert f'href="sub-01/figures/{NAME}_desc-{name}"' in page
    assert {"*.html", "figures"} <= set((full / ".bidsignore").read_text().split())


def test_a_page_needs_nothing_from_elsewhere(full):
    page = (full / f"{NAME}.html").read_text(encoding="utf-8")
    page = re.sub('<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)
    addresses = re.findall(r"""(?:src|href)="([^"]+)"|url\(([^)]+)\)""", page)
    assert addresses
    for address in map("".join, addresses):
        assert address.startswith(("data:image/png;base64,", "#", "sub-01/figures/", "index.html"))


def test_names_of_files_are_text_and_not_markup(full):
    page = (full / f"{NAME}.html").read_text(encoding="utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;_T1w.nii.gz" in page and "<img src=x" not in page
    assert "sub-01_ses-02_&lt;b&gt;&amp;_T1w.nii.gz" in page


def test_everything_the_sidecar_holds_is_on_the_page(plain):
    page = (plain / f"{NAME}.html").read_text(encoding="utf-8")
    sidecar = json.loads(next(plain.rglob("*desc-harmonized_T1w.json")).read_text())
    for source in sidecar["SourceImages"].values():
        assert source["sha256"] in page
    assert f"torch {sidecar['Method']['software']['torch']}" in page
    assert "scripts.baselines.mean_std.MeanStdMatching" in page


def test_the_same_inputs_give_the_same_bytes(plain, images, tmp_path):
    again = run_baseline(tmp_path / "out", images)
    pages = [path.relative_to(plain) for path in plain.rglob("*") if path.suffix in (".html", ".svg", ".png")]
    assert len(pages) == 7
    for page in pages:
        assert (again / page).read_bytes() == (plain / page).read_bytes()


def test_a_report_is_made_again_only_where_it_is_missing_or_would_be_another(images, tmp_path):
    out = run_baseline(tmp_path / "out", images)
    page = out / f"{NAME}.html"
    first = page.stat().st_mtime_ns
    run_baseline(out, images)
    assert page.stat().st_mtime_ns == first
    run_baseline(out, images, **{"report#look#bins": 50})
    assert page.stat().st_mtime_ns > first
    content = page.read_bytes()
    page.unlink()
    run_baseline(out, images, **{"report#look#bins": 50})
    assert page.read_bytes() == content


def test_sections_are_chosen_by_the_config(images, tmp_path):
    out = run_baseline(tmp_path / "out", images, **{"report#sections": ["parameters", "overview"]})
    assert headings(out / f"{NAME}.html") == ["Viewer", "Parameters and versions", "Before and after"]


def test_without_a_report_there_is_none(images, tmp_path):
    out = run_baseline(tmp_path / "out", images, qc_report=False)
    assert not [path for path in out.rglob("*") if path.suffix in (".html", ".svg", ".png")]


def test_a_contrast_without_a_source_has_no_difference(images, tmp_path):
    out = run_baseline(tmp_path / "out", images, sources={"t1w": str(images["t1w"])}, qc_report=True)
    text = (out / f"{NAME}.html").read_text(encoding="utf-8")
    assert ">difference<" in text


def test_a_cohort_gets_a_page_of_its_own(images, tmp_path):
    for number, site in ((1, "Lyon"), (2, "Graz")):
        source = write_ball(tmp_path / "in" / f"sub-0{number}_T1w.nii.gz", seed=number)
        Path(str(source).replace(".nii.gz", ".json")).write_text(json.dumps({"InstitutionName": site}))
    jobs = tmp_path / "jobs.json"
    jobs.write_text(json.dumps([{"subject": f"0{n}", "sources": {"t1w": f"in/sub-0{n}_T1w.nii.gz"}} for n in (1, 2)]))
    out = run_baseline(tmp_path / "out", images, sources=None, cohort_file=str(jobs))
    index = (out / "index.html").read_text(encoding="utf-8")
    for name, site in (("sub-01", "Lyon"), ("sub-02", "Graz")):
        assert f'href="{name}.html"' in index and f">{site}</td>" in index
        assert (out / re.findall(f'src="({name}/[^"]+)"', index)[0]).is_file()


def test_a_thumbnail_shows_before_over_after(plain):
    from PIL import Image

    pixels = np.asarray(Image.open(next(plain.rglob("*thumbnail*.png"))))
    before, after = np.split(pixels, 2)
    assert before.shape == after.shape and before.max() > 100 and after.max() > 100


def test_what_a_report_cannot_do_is_refused():
    with pytest.raises(InputError, match=r"`sections` must be among overview, .*, got \['overwiev'\]"):
        QcReport("out", None, sections=["overwiev"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`viewer_megabytes` must not be negative, got -1"):
        QcReport("out", None, viewer_megabytes=-1)  # type: ignore[arg-type]


def test_harmonized_images_do_not_depend_on_the_report(plain, images, tmp_path):
    without = run_baseline(tmp_path / "out", images, qc_report=False)
    (image,) = plain.rglob("*.nii.gz")
    np.testing.assert_array_equal(nibabel.load(image).dataobj, nibabel.load(without / image.relative_to(plain)).dataobj)
