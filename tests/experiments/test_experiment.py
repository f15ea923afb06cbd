import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from scripts.base.errors import InputError
from scripts.base.weights import save_weights
from scripts.experiments.experiment import Experiment
from scripts.harmonize.model_weights import ModelWeights
from scripts.phantom.scanner import RANGES_FILE

from .small_people import narrow_haca3_plus, people, random_weights


@dataclass(frozen=True)
class MeanRow:
    subject: str
    contrast: str
    mean: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Means(Experiment[MeanRow]):
    """Mean brightness of the second visit, `gain` times; `fails_at` is a person who cannot be measured."""

    measured: list[int]
    gain: float = 1.0
    fails_at: ClassVar[int | None] = None
    name: ClassVar[str] = "means"
    row: ClassVar[type] = MeanRow
    contrasts: ClassVar[Sequence[str]] = ("t1w", "flair")
    table_settings: ClassVar[Sequence[str]] = ("measured",)

    def measure(self, number: int) -> list[MeanRow]:
        if number == self.fails_at:
            raise ZeroDivisionError
        self.measured.append(number)
        _, other = self.visits(number)
        means = {"t1w": other.volumes[0].mean(), "flair": other.volumes[3].mean()}
        return [MeanRow(other.about["subject"], name, self.gain * float(mean)) for name, mean in means.items()]

    def table(self, rows: Sequence[MeanRow]) -> str:
        return f"{len(rows)} rows\n"


def means(folder: Path, seed: int = 1, gain: float = 1.0, **options: Any) -> Means:
    network = narrow_haca3_plus()
    weights = random_weights(network, seed)
    return Means(people=people(**options), weights=weights, output_dir=str(folder), measured=[], gain=gain)


def results(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_of_everybody_are_written_with_the_table(tmp_path):
    experiment = means(tmp_path)
    assert experiment.run() == (tmp_path / "table.md").read_text() == "Meaningless: random weights.\n\n4 rows\n"
    scans = [list(person)[1] for person in experiment.people.people(1, 1)]
    expected = [
        {"subject": scan.about["subject"], "contrast": contrast, "mean": str(float(scan.volumes[channel].mean()))}
        for scan in scans
        for contrast, channel in (("t1w", 0), ("flair", 3))
    ]
    assert results(tmp_path) == expected
    assert len({row["mean"] for row in expected}) == 4


def test_a_second_run_measures_nobody_again(tmp_path):
    means(tmp_path).run()
    before = (tmp_path / "results.csv").read_bytes()
    (tmp_path / "results.csv").unlink()
    again = means(tmp_path)
    again.run()
    assert again.measured == [] and (tmp_path / "results.csv").read_bytes() == before


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Means, "fails_at", 1)
        with pytest.raises(ZeroDivisionError):
            means(tmp_path).run()
    assert not (tmp_path / "results.csv").exists()
    rest = means(tmp_path)
    rest.run()
    assert rest.measured == [1] and len(results(tmp_path)) == 4


def test_more_people_are_added_to_those_who_are_done(tmp_path):
    means(tmp_path).run()
    more = means(tmp_path, subjects=3)
    more.run()
    assert more.measured == [2] and len(results(tmp_path)) == 6


@pytest.mark.parametrize("change", [{"seed": 2}, {"gain": 2.0}, {"percentile": 99.0}, {"scanner_seed": 7}])
def test_other_weights_settings_or_people_are_measured_anew(tmp_path, change):
    means(tmp_path).run()
    other = means(tmp_path, **change)
    other.run()
    assert other.measured == [0, 1]


@dataclass(frozen=True)
class UnitRow(MeanRow):
    unit: str = "none"


def test_rows_of_other_columns_are_measured_anew(tmp_path, monkeypatch):
    means(tmp_path).run()
    monkeypatch.setattr(Means, "row", UnitRow)
    again = means(tmp_path)
    again.run()
    assert again.measured == [0, 1]


def test_other_protocols_in_the_same_file_are_other_people(tmp_path):
    protocols = tmp_path / "protocols.json"
    ranges = json.loads(RANGES_FILE.read_text())
    for gain, expected in ((1.0, [0, 1]), (1.0, []), (1.2, [0, 1])):
        ranges["common"]["parameters"]["gain"] = gain
        protocols.write_text(json.dumps(ranges))
        experiment = means(tmp_path / "out", protocols=str(protocols))
        experiment.run()
        assert experiment.measured == expected


def test_weights_are_known_by_what_they_are_and_not_by_their_file(tmp_path):
    network = narrow_haca3_plus()
    for number in (1, 2):
        save_weights(network.state_dict(), tmp_path / f"{number}.pt")
    for number, expected in ((1, [0, 1]), (2, [])):
        read = narrow_haca3_plus()
        options = {"people": people(), "output_dir": str(tmp_path / "out"), "measured": []}
        experiment = Means(**options, weights=ModelWeights([read], [tmp_path / f"{number}.pt"]))
        assert experiment.run() == "4 rows\n"
        assert experiment.measured == expected


def test_folder_says_what_it_is_of(tmp_path):
    means(tmp_path, gain=3.0).run()
    content = json.loads((tmp_path / "experiment.json").read_text())
    assert content["GeneratedBy"][0]["Description"] == "experiment means"
    assert content["Settings"]["gain"] == 3.0 and content["Settings"]["people"]["cohort"] == "box"


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "experiment.json").write_text('{"GeneratedBy": "somebody"}')
    with pytest.raises(InputError, match="`output_dir` must be absent, empty or an earlier experiment means"):
        means(tmp_path).run()


def test_missing_weights_leave_nothing_behind(tmp_path):
    network = narrow_haca3_plus()
    weights = ModelWeights([network], [tmp_path / "model.pt"])
    options = {"people": people(), "output_dir": str(tmp_path / "out"), "measured": []}
    with pytest.raises(InputError, match="model.pt does not exist"):
        Means(**options, weights=weights).run()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scanners_per_subject": 1}, "`scanners_per_subject` of people must be at least 2, got 1"),
        (
            {"design": {"contrasts": ["t1w", "pd"]}},
            r"`cohort` of people must have t1w, flair at every visit, box-\d lacks \['flair'\]",
        ),
    ],
)
def test_people_who_cannot_be_measured_are_refused(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        means(tmp_path, **options)
