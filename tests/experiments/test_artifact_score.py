from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.experiments.artifact_score import ArtifactScore
from scripts.experiments.artifact_score_table import ScoreRow, artifact_score_markdown, eta_squared, r_squared
from scripts.methods.haca3.triplets import ArtifactTripletd
from scripts.metrics.ssim import windowed_ssim

from .small_people import narrow_haca3_plus, people, random_weights, slices


def experiment(folder: Path, samples: int = 7, **options: Any) -> ArtifactScore:
    network, scans = narrow_haca3_plus(), people()
    return ArtifactScore(
        people=scans,
        slices=slices(scans, **options),
        network=network,
        weights=random_weights(network),
        output_dir=str(folder),
        samples=samples,
        batch_size=2,
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ScoreRow]:
    one = experiment(tmp_path_factory.mktemp("score"))
    return [row for number in range(2) for row in one.measure(number)]


def test_samples_are_shared_out_to_people(rows):
    subjects = [row.subject for row in rows]
    assert subjects == ["epoch-1_round-1_sub-01"] * 4 + ["epoch-1_round-1_sub-02"] * 3
    assert len({(row.subject, row.scanner, row.orientation, row.slice) for row in rows}) == 7
    assert {row.site for row in rows} <= {"site-1", "site-2", "site-3"}


def test_scores_are_of_the_slice_and_of_the_same_with_its_artifact(rows):
    samples = {(s["subject"], s["scanner"], s["orientation"], s["slice"]): s for s in slices(people(), rounds=1)}
    for row in rows:
        triplet = ArtifactTripletd()(samples[row.subject, row.scanner, row.orientation, row.slice])
        assert (row.kind, row.contrast) == (triplet["kind"], CONTRASTS[int(triplet["contrast"])])
        assert row.severity == pytest.approx(float(triplet["severity"]))
        for score, role in ((row.clean, "anchor"), (row.degraded, "negative")):
            expected = 10 * triplet[role].diff(dim=-1).abs().mean()
            torch.testing.assert_close(torch.tensor(score), expected)
        clean, degraded = (triplet[role][0].numpy() for role in ("anchor", "negative"))
        assert row.ssim_loss == pytest.approx(1 - windowed_ssim(degraded, clean, clean > 0).value) and row.ssim_loss > 0


def test_a_run_writes_a_row_for_each_sample(tmp_path):
    table = experiment(tmp_path, samples=24).run()
    assert "24 slices of 2 people at" in table and "| severity | – |" in table
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 25


def test_eta_squared_by_hand():
    # Between the groups 4 (2 - 4)^2 = 16, in all 9 + 1 + 1 + 9 = 20.
    assert eta_squared([1, 3, 5, 7], ["a", "a", "b", "b"]) == pytest.approx(0.8)
    assert eta_squared([1, 2, 1, 2], ["a", "a", "b", "b"]) == pytest.approx(0)


def test_r_squared_by_hand():
    assert r_squared([1, 3, 5], [0.1, 0.2, 0.3]) == pytest.approx(1)
    # Covariance 1 / 3, variances 2 / 3 and 2 / 3: r = 1 / 2.
    assert r_squared([1, 2, 3], [1, 3, 2]) == pytest.approx(0.25)


def test_table_tells_kinds_and_factors_apart():
    def row(kind: str, severity: float, contrast: str, site: str, clean: float, degraded: float) -> ScoreRow:
        about = (f"sub-{site}", f"{site}-01", site, contrast, "axial", 100)
        return ScoreRow(*about, kind, severity, clean, degraded, ssim_loss=severity**2)

    rows = [
        row("noise", 0.25, "t1w", "A", 0.0, 0.5),
        row("noise", 1.0, "t1w", "B", 0.0, 1.0),
        row("motion", 0.5, "t2w", "A", 0.4, 0.3),
        row("motion", 0.75, "t2w", "B", 0.4, 0.1),
    ]
    table = artifact_score_markdown(rows, severe=0.5, usual={}).splitlines()
    head = "| artifact | slices | correlation of the loss of SSIM ↑ | correlation ↑ | AUC, severity ≥ 0.5 ↑ |"
    assert table[0] == head
    # Each severe slice is compared with all four clean ones.
    assert table[2] == "| motion | 2 | 1.000 | -1.000 | 0.500 |"
    assert table[3] == "| noise | 2 | 1.000 | 1.000 | 1.000 |"
    assert table[4] == "| all | 4 | 1.000 | 0.000 | 0.667 |"
    assert table[6].startswith("4 slices of 2 people at 2 sites")
    assert table[11] == "| explained by | clean slices | clean and degraded slices |"
    # Scores of both contrasts: deviations from 0.3375 and its groups' means 0.375 and 0.3.
    assert table[13].startswith("| contrast | 1.000 | ")
    assert table[14].startswith("| site | 0.000 | ")
    assert table[15].startswith("| severity | – | ")
    scores = [0.0, 0.0, 0.4, 0.4, 0.5, 1.0, 0.3, 0.1]
    groups = ["t1w", "t1w", "t2w", "t2w"] * 2
    assert float(table[13].split("|")[3]) == pytest.approx(eta_squared(scores, groups), abs=5e-4)
    severity = [0.0, 0.0, 0.0, 0.0, 0.25, 1.0, 0.5, 0.75]
    assert float(table[15].split("|")[3]) == pytest.approx(r_squared(scores, severity), abs=5e-4)


def test_scores_above_what_is_usual_leave_the_contrast_out():
    def row(kind: str, severity: float, contrast: str, degraded: float) -> ScoreRow:
        clean = {"t1w": 0.5, "t2w": 0.1}[contrast]
        return ScoreRow(
            f"sub-{contrast}", "A-01", "A", contrast, "axial", 100, kind, severity, clean, degraded, severity
        )

    # Of raw scores the T2w slice with an artifact is below the clean T1w slice.
    rows = [row("noise", 0.5, "t2w", 0.4), row("noise", 1.0, "t1w", 1.0)]
    table = artifact_score_markdown(rows, severe=0.5, usual={"t2w": 0.1, "t1w": 0.4}).splitlines()
    assert table[2] == "| noise | 2 | 1.000 | 1.000 | 1.000 | 0.750 | 1.000 |"
    assert (
        "correlation ↑ | correlation, above usual ↑ | AUC, severity ≥ 0.5 ↑ | AUC, severity ≥ 0.5, above usual ↑"
        in table[0]
    )
    assert table[-1] == "Above usual: less what images of the contrast without artifacts have (t1w 0.40, t2w 0.10)."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 1}, "`samples` must be a whole number of at least 2, got 1"),
        ({"samples": 25}, "`samples` of a person must be at most the 12 slices of the visits"),
        ({"buffer_size": 11}, "these at most the `buffer_size` 11, got 7 samples of 2 people"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        experiment(tmp_path, **options)
