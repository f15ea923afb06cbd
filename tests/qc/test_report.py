"""configs/inference.json with its report: what lies where, what makes it anew, and that it says what happened."""

import json
import re
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.base.weights import save_weights, seed_weights
from scripts.qc.figures import BRAIN_COLOR, WHITE_MATTER_COLOR
from scripts.qc.report import QcReport
from tests.harmonize.known_alignment import TO_SCANNER
from tests.harmonize.tiny_subjects import AFFINE, harmonize, narrow_network, write_ball, write_image

NAME = "sub-01_ses-02"
BOTH = ("T1w", "T2w")
USUAL = {"t1w": 0.75, "flair": 0.25}


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


@pytest.fixture(scope="module")
def judged(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of HACA3+ with stored weights and named targets, in a contrast of the sources and in one they lack."""
    folder = tmp_path_factory.mktemp("judged")
    network = narrow_network()
    seed_weights(network, 5)
    weights = save_weights(network.state_dict(), folder / "models" / "model.pt")
    code = {"theta": [0.0] * 4, "percentiles": [0.0] * 11, "head": False, "weights": weights, "method": "haca3plus"}
    named = {contrast: {**code, "eta": [score, 0.0]} for contrast, score in USUAL.items()}
    write_json(folder / "models" / "targets.json", {"siemens": named})
    return harmonize(
        folder / "out",
        sources={contrast: str(images[contrast]) for contrast in ("t1w", "flair")},
        targets={"t1w": str(images["target"]), "t2w": str(images["flair"])},
        random_weights=False,
        models_dir=str(folder / "models"),
        qc_report=True,
        **{"weights#paths": ["$@models_dir + '/model.pt'"], "report#viewer_megabytes": 0},
    )


@pytest.fixture(scope="module")
def raw(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output where the T1w came from the scanner."""
    folder = tmp_path_factory.mktemp("raw")
    voxels = np.asarray(nibabel.load(images["t1w"]).dataobj)
    scan = write_image(folder / "sub-01_ses-02_T1w.nii.gz", voxels, TO_SCANNER @ AFFINE)
    known = {"_target_": "tests.harmonize.known_alignment.KnownAlignment"}
    sources = {"t1w": str(scan), "flair": str(images["flair"])}
    return run_baseline(folder / "out", images, sources=sources, registration=None, alignment=known)


def made_by_the_report(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".html", ".svg", ".png")]


def headings(page: Path) -> list[str]:
    return re.findall("<h3>([^<]+)</h3>", page.read_text(encoding="utf-8"))


def test_a_page_has_a_section_for_everything_that_the_method_tells(full):
    assert headings(full / f"{NAME}.html") == [
        "Viewer",
        "Before and after",
        "Axial slices",
        "Histograms",
        "Share of each source",
        "Imputed region",
        "Uncertainty",
        "Anatomy check",
        "Parameters and versions",
    ]


def test_a_page_of_a_method_that_gives_an_image_alone_leaves_the_rest_out(plain):
    sections = ["Viewer", "Before and after", "Axial slices", "Histograms", "Anatomy check"]
    assert headings(plain / f"{NAME}.html") == [*sections, "Parameters and versions"]


def test_random_weights_are_called_meaningless_and_nothing_is_judged(full):
    page = (full / f"{NAME}.html").read_text(encoding="utf-8")
    assert "These images are meaningless." in page
    assert "Signs of artifacts" not in page and "Look at this first" not in page and "None of the numbers" not in page


def test_figures_lie_in_the_folder_of_the_subject_and_page_and_validator_know_them(full):
    folder = full / "sub-01" / "figures"
    names = {path.name.removeprefix(f"{NAME}_desc-") for path in folder.iterdir()}
    kinds = ("overview", "slices", "histogram", "attentionprofile", "attentionmaps", "uncertainty")
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
    assert "MeanStdMatching" in page


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


def test_a_missing_package_is_said_before_any_work(monkeypatch):
    monkeypatch.setattr("scripts.qc.report.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package pillow: pip install -r requirements-report.txt"):
        QcReport("out", None, viewer_megabytes=0)  # type: ignore[arg-type]


def test_artifact_scores_of_weights_that_are_not_random_are_judged(judged):
    page = (judged / f"{NAME}.html").read_text(encoding="utf-8")
    assert "Signs of artifacts" in headings(judged / f"{NAME}.html") and "These images are meaningless" not in page
    summary, _ = json.loads(next(judged.rglob("*_qc.json")).read_text())["Targets"]
    found = json.loads(next(judged.rglob("*desc-harmonized_T1w.json")).read_text())["Found"]["sources"]
    assert summary["values"]["severity"] == max(source["severity"] - USUAL[name] for name, source in found.items())
    for name, source in found.items():
        for number in (source["severity"], USUAL[name]):
            assert f'<td class="number">{number:.2f}</td>' in page
    # What the network reads of the target is where distances are measured from.
    appearance = {when: np.array(code["appearance"]) for when, code in summary["codes"].items()}
    assert set(appearance) == {"before", "after", "target"}
    distance = float(np.linalg.norm(appearance["before"] - appearance["target"]))
    assert summary["values"]["contrast_before"] == pytest.approx(distance, rel=1e-5)


def test_other_named_targets_are_a_reason_to_make_a_report_again(tmp_path):
    def digest() -> str:
        return QcReport("out", None, named_targets=str(tmp_path / "targets.json"))._hash({})  # type: ignore[arg-type]

    seen = [digest()]
    for text in ("{}", "{ }"):
        (tmp_path / "targets.json").write_text(text)
        seen.append(digest())
    assert len(set(seen)) == 3


def test_a_contrast_without_a_source_has_no_difference(judged):
    figures = {contrast: next(judged.rglob(f"*_desc-overview_{contrast}.svg")).read_text() for contrast in BOTH}
    assert [">difference<" in figures[contrast] for contrast in BOTH] == [True, False]
    assert "No T2w source was given" in (judged / f"{NAME}.html").read_text(encoding="utf-8")


def test_a_report_is_made_again_only_where_it_is_missing_or_would_be_another(plain, images, tmp_path):
    out = shutil.copytree(plain, tmp_path / "out")
    page = out / f"{NAME}.html"
    first = page.stat().st_mtime_ns
    run_baseline(out, images)
    assert page.stat().st_mtime_ns == first
    for path in made_by_the_report(out):
        path.unlink()
    run_baseline(out, images)
    made = made_by_the_report(out)
    assert len(made) == 6
    # The same inputs give the same bytes.
    for path in made:
        assert path.read_bytes() == (plain / path.relative_to(out)).read_bytes()
    run_baseline(out, images, **{"report#sections": ["parameters", "overview"]})
    assert headings(page) == ["Viewer", "Parameters and versions", "Before and after"]


def test_without_a_report_there_is_none_and_images_are_the_same(plain, images, tmp_path):
    without = run_baseline(tmp_path / "out", images, qc_report=False)
    assert not made_by_the_report(without)
    (image,) = plain.rglob("*.nii.gz")
    np.testing.assert_array_equal(nibabel.load(image).dataobj, nibabel.load(without / image.relative_to(plain)).dataobj)


def test_registered_sources_lie_under_the_outlines_of_the_template(raw, plain):
    page = raw / f"{NAME}.html"
    assert "Registration" in headings(page)
    assert "Registration" not in headings(plain / f"{NAME}.html")
    text = re.sub("<[^>]+>", " ", page.read_text(encoding="utf-8"))
    assert re.search(r"T1w\s+the MNI152 template\s+1\.200\s+100 %", text)
    (figure,) = raw.rglob("*registration*.svg")
    picture = figure.read_text(encoding="utf-8")
    assert all(f'stroke="{color}"' in picture for color in (BRAIN_COLOR, WHITE_MATTER_COLOR))
