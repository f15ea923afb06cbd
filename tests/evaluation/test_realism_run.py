import csv
import json
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import monai.bundle
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.evaluation.realism_report import Number, PairNumber, compare, comparison_markdown, pair_markdown
from scripts.evaluation.realism_run import Realism, list_numbers, read_at_1_mm, read_scanner
from scripts.evaluation.scanner_pairs import ScannerPairs
from scripts.images.volumes import write_volume
from scripts.methods.classical.nyul import NyulMatching
from scripts.metrics.realism import Appearance
from scripts.phantom.scanner import Scanner

BUNDLE = Path(__file__).parents[2]
CONFIG = json.loads((BUNDLE / "configs" / "realism.json").read_text())
DESIGNS = json.loads((BUNDLE / "configs" / "simulate.json").read_text())["designs"]
LEVELS = {"t1w": (1.0, 5.0, 10.0), "t2w": (20.0, 9.0, 6.0), "flair": (2.0, 10.0, 9.0)}


def layers(levels: tuple[float, ...], seed: int) -> np.ndarray:
    """Slabs of CSF, grey and white matter with 2 % noise."""
    image = np.zeros((17, 9, 9), dtype=np.float32)
    for slab, brightness in enumerate(levels):
        image[1 + 5 * slab : 6 + 5 * slab, 1:8, 1:8] = brightness
    return image * np.random.default_rng(seed).normal(1, 0.02, image.shape).astype(np.float32)


@dataclass(frozen=True)
class SlabPhantom:
    """Looks like the real images below, but for its noise."""

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> int:
        return seed

    def render_subject(self, parameters: int) -> SimpleNamespace:
        return SimpleNamespace(seed=parameters)

    def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        return layers(LEVELS[contrast], visit_seed)


@dataclass(frozen=True)
class TwoLevelPhantom:
    """Half a brain of 1, the other half of 2 on the first scanner and of 4 on all others."""

    def draw_subject(self, *parameters) -> None: ...

    def render_subject(self, parameters: None) -> SimpleNamespace:
        brain = np.zeros((10, 10, 10), dtype=np.uint8)
        brain[1:9, 1:9, 1:9] = 1
        return SimpleNamespace(brain=brain)

    def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        image = subject.brain.astype(np.float32)
        image[5:] *= 2 if scanner.name == "treat-JH-01" else 4
        return image


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    seed = 0
    for study in CONFIG["studies"].values():
        for images in study["real"].values():
            for contrast, path in images.items():
                seed += 1
                write_volume(folder / path, layers(LEVELS[contrast], seed))
    return folder


def realism(data_dir: Path | str, output_dir: Path, **options: Any) -> Realism:
    pairs = ScannerPairs(DESIGNS, NyulMatching(), scanners=3, phantom=TwoLevelPhantom())
    settings = {name: CONFIG[name] for name in ("studies", "people", "real_pairs")}
    settings |= {"pairs": pairs, "phantom": SlabPhantom(), "dpi": 20, **options}
    return Realism(str(data_dir), str(output_dir), **settings)


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_phantoms_like_real_images_are_within_the_tolerance(data_dir, tmp_path):
    report = realism(data_dir, tmp_path / "out").run()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.csv", "numbers.csv", "pairs.csv", "phantom.png", "realism.json", "realism.md",
    ]  # fmt: skip
    rows = read_table(tmp_path / "out" / "comparison.csv")
    assert len(rows) == 4 * 8
    ratios = [row for row in rows if row["measure"] in ("grey_white_ratio", "csf_white_ratio")]
    assert {row["within_mean"] for row in ratios} == {"True"}
    assert float(ratios[0]["real_mean"]) == pytest.approx(0.5, rel=0.02)
    assert "### MS, Siemens 3 T, t2w" in report and "### One phantom on several scanners" in report
    assert (tmp_path / "out" / "realism.md").read_text() == report
    persons = {row["person"] for row in read_table(tmp_path / "out" / "numbers.csv")}
    assert {"ms07", "phantom-1", "ms07, ms19", "phantom-2, dep68"} <= persons


def test_report_is_the_same_again_and_replaces_the_earlier_one(data_dir, tmp_path):
    first = realism(data_dir, tmp_path / "out", with_pairs=False).run()
    assert "several scanners" not in first
    assert realism(data_dir, tmp_path / "out", with_pairs=False).run() == first


def test_image_of_1_mm_is_read_as_it_is_but_for_negative_values(tmp_path):
    image = layers(LEVELS["t1w"], 0)
    image[0, 0, 0] = -1
    write_volume(tmp_path / "image.nii.gz", image)
    np.testing.assert_array_equal(read_at_1_mm(tmp_path / "image.nii.gz", 3), np.maximum(image, 0))


def test_other_voxels_are_resampled_along_the_axes_of_the_image(tmp_path):
    ramp = np.tile(np.arange(1.0, 6.0, dtype=np.float32)[:, None, None], (1, 4, 4))
    # 2 x 1 x 0.5 mm, the first two axes turned by 30 degrees.
    turn = np.array([[0.75**0.5, -0.5, 0], [0.5, 0.75**0.5, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 1.0, 0.5])
    write_volume(tmp_path / "image.nii.gz", ramp, affine)
    found = read_at_1_mm(tmp_path / "image.nii.gz", 1)
    assert found.shape == (9, 4, 2)
    np.testing.assert_allclose(found[:, 0, 0], np.arange(1, 5.1, 0.5), rtol=1e-5)


def test_comparison_by_hand():
    values = {"real": (0.5, 0.7), "phantom": (0.8, 0.66)}
    numbers = [
        Number("ms", "t1w", measure, source, f"{source}{i}", value)
        for measure in ("noise", "histogram_distance")
        for source, pair in values.items()
        for i, value in enumerate(pair)
    ]
    noise, distance = compare(numbers, tolerance=0.2)
    # Real mean 0.6 and phantom mean 0.73: above 0.6 * 1.2, but below 0.7 * 1.2.
    assert noise.difference == pytest.approx(0.73 / 0.6 - 1)
    assert (noise.within_mean, noise.within_range) == (False, True)
    assert (noise.real_low, noise.real_high) == (0.5, 0.7)
    text = comparison_markdown([noise, distance], {"ms": "Study"}, 0.2)
    assert "| noise | 0.6 | 0.5 to 0.7 | 0.73 | +22% | **no** | yes |" in text
    assert "Of 2 numbers, 0 are within 20% of the mean of the real people and 2 within their range" in text


@pytest.mark.parametrize(("measure", "fits"), [("noise", False), ("histogram_distance", True)])
def test_only_a_histogram_distance_may_be_much_smaller(measure, fits):
    numbers = [Number("s", "t1w", measure, source, "p", value) for source, value in (("real", 1.0), ("phantom", 0.3))]
    (row,) = compare(numbers, tolerance=0.2)
    assert (row.within_mean, row.within_range) == (fits, fits)


def test_histogram_distances_are_between_people():
    def person(shift: float) -> dict[str, Appearance]:
        return {"t1w": Appearance({}, np.linspace(0, 1, 101) + shift)}

    found = list(list_numbers("s", {"a": person(0.0), "b": person(0.1)}, {"p": person(0.4)}))
    assert [(n.source, n.person, round(n.value, 6)) for n in found] == [
        ("real", "a, b", 0.1), ("phantom", "p, a", 0.4), ("phantom", "p, b", 0.3),
    ]  # fmt: skip


def test_pairs_by_hand():
    rows = ScannerPairs(DESIGNS, NyulMatching(), contrasts=["t1w"], scanners=3, phantom=TwoLevelPhantom()).measure()
    assert [row.kind for row in rows] == ["unharmonized", "histogram matched"] * 2 + ["rescan"]
    # Scaled, 0.5 and 1 against 0.25 and 1: the mean square is 0.25^2 / 2, or 15.05 dB.
    assert rows[0].psnr == pytest.approx(15.05, abs=0.01)
    assert rows[1].psnr > 60 and rows[4].psnr > 60
    assert rows[0].ssim < rows[1].ssim == pytest.approx(1)


def test_pair_table():
    pairs = [("unharmonized", 18.0), ("unharmonized", 20.0), ("histogram matched", 20.5), ("rescan", 30.0)]
    rows = [PairNumber("t1w", kind, "scanner", psnr, 0.8) for kind, psnr in pairs]
    table = pair_markdown(rows, {"t1w": {"psnr": [17.5, 21.6], "ssim": [0.81, 0.8], "gain": [1.5]}})
    assert "| t1w, unharmonized | 2 | 19.0 (18.0 to 20.0) |  | 0.80 (0.80 to 0.80) |" in table
    assert "| t1w, histogram matched | 1 | 20.5 | +1.5 | 0.80 |" in table
    assert "| t1w, real people | 2 | 19.6 (17.5 to 21.6) | below +1.5 | 0.81 (0.80 to 0.81) |" in table


def test_protocols_of_the_config_are_whole():
    scanner = read_scanner("ms", CONFIG["studies"]["ms"])
    assert list(scanner.protocols) == ["t1w", "t2w", "flair"]
    assert scanner.protocols["t1w"].contrast == "t1w"
    assert {field.name for field in fields(scanner.protocols["flair"])} > {"noise", "slice_mm"}


def without(block: dict, key: str) -> dict:
    return {name: value for name, value in block.items() if name != key}


MS = CONFIG["studies"]["ms"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"studies": {"ms": without(MS, "seed")}}, "study ms: `seed` is missing"),
        (
            {"studies": {"ms": {**MS, "protocols": {"t1w": without(MS["protocols"]["t1w"], "noise")}}}},
            "study ms: t1w: `noise` is missing",
        ),
        (
            {"studies": {"ms": {**MS, "protocols": {"t1w": {**MS["protocols"]["t1w"], "nois": 1}}}}},
            "study ms: t1w: `nois` must be one of sequence, ",
        ),
        (
            {"studies": {"ms": {**MS, "protocols": {"t1w": {**MS["protocols"]["t1w"], "sequence": "epi"}}}}},
            "study ms: `sequence` of t1w must be among mprage, spgr, se, tse, flair, got epi",
        ),
        (
            {"studies": {"ms": {**MS, "protocols": without(MS["protocols"], "t2w")}}},
            "study ms: `protocols` must have every contrast of `real`, not t2w",
        ),
        (
            {"studies": {"ms": {**MS, "real": {"ms07": {"t2w": "x.nii.gz"}}}}},
            "study ms: `real` must have the t1w image of ms07, got t2w",
        ),
        (
            {"studies": {"ms": {**MS, "real": {"ms07": {"t1w": "x.nii.gz"}}}}},
            "study ms: `real` must be files below .*, x.nii.gz is not",
        ),
        ({"people": [{"seed": 1, "age": 30}]}, "`people`, number 1: `lesion_load` is missing"),
        (
            {"data_dir": ""},
            "`data_dir`, by default .* HARMONIZATION_TEST_DATA, must be the folder of real images, got ``",
        ),
        ({"data_dir": "/nowhere"}, "must be the folder of real images, got `/nowhere`"),
    ],
)
def test_what_cannot_be_measured_is_refused(data_dir, tmp_path, options, words):
    options = {"data_dir": data_dir, **options}
    with pytest.raises(InputError, match=words):
        realism(options.pop("data_dir"), tmp_path / "out", **options).run()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scanners": 1}, "`scanners` of pairs must be a whole number of at least 2, got 1"),
        ({"scanners": 10}, r"`visits` must be .* from 1 to its 9 scanners, got \[10, 10\]"),
        ({"contrasts": ["dwi"]}, "`contrasts` of pairs must be among t1w, t2w, pd, flair, got dwi"),
        ({"cohort": "treats"}, "`cohort` must be one of .*, got treats"),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        ScannerPairs(DESIGNS, NyulMatching(), phantom=TwoLevelPhantom(), **options)


def test_bundle_run_needs_the_folder_of_real_images(tmp_path, monkeypatch):
    monkeypatch.delenv("HARMONIZATION_TEST_DATA", raising=False)
    settings = {"config_file": str(BUNDLE / "configs" / "realism.json"), "bundle_root": str(BUNDLE)}
    with pytest.raises(RuntimeError) as refusal:
        monai.bundle.run(**settings, output_dir=str(tmp_path / "out"))
    words = "`data_dir`, by default the environment variable HARMONIZATION_TEST_DATA, must be the folder of real images"
    assert words in str(refusal.value.__cause__)
    assert list(tmp_path.iterdir()) == []
