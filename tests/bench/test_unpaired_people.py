from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.regions import REGIONS
from scripts.bench.unpaired_people import Described, effects, guess_ages, main, read_ages, row
from scripts.images.bids_cohort import read_cohort, truth_path
from scripts.images.volumes import write_volume

from ..methods.mispel.paired_scans import write_pairs

PEOPLE = 40
RANDOM = np.random.default_rng(0)
AGES = RANDOM.uniform(20, 80, PEOPLE)
SCANNERS = ["ABCD"[person % 4] for person in range(PEOPLE)]
NAMES = [f"sub-{person:02d}" for person in range(PEOPLE)]


def people(brighter_by_scanner: float, thinner_with_age: float) -> list[Described]:
    found = []
    for age, scanner in zip(AGES, SCANNERS, strict=True):
        looks = RANDOM.normal(0, 0.1, 44) + brighter_by_scanner * "ABCD".index(scanner)
        shares = np.full(len(REGIONS), 1.0) - thinner_with_age * (age - 50) * (np.arange(len(REGIONS)) == 2)
        found.append(Described(looks, shares + RANDOM.normal(0, 0.01, len(REGIONS))))
    return found


def test_what_depends_on_the_scanner_is_told_and_what_does_not_is_at_chance():
    apart, alike = (float(row("any", people(each, 0), SCANNERS, NAMES, AGES)[2]) for each in (1.0, 0.0))
    assert apart > 95 and alike < 50


def test_age_is_found_in_the_shares_of_regions_and_not_where_it_is_not():
    with_age, without = (row("any", people(0, each), SCANNERS, NAMES, AGES) for each in (0.01, 0.0))
    assert with_age[1] == str(PEOPLE)
    # Numbers that say nothing of age stand in the way of 40 people.
    assert float(with_age[3]) < 3 < float(with_age[4]) < 9
    assert float(without[3]) > 10 and float(without[4]) > 10


def test_nobody_is_guessed_by_people_of_the_same_scanner():
    # A number that tells age within one scanner only, the other way round in each.
    ways = np.array([1 if scanner in "AB" else -1 for scanner in SCANNERS])
    guessed = guess_ages((ways * (AGES - 50))[:, None], AGES, SCANNERS)
    assert np.corrcoef(guessed, AGES)[0, 1] < 0.5


def test_effect_of_being_a_patient_is_told_apart_from_age():
    patients = [age > 50 or person % 3 == 0 for person, age in enumerate(AGES)]
    shares = np.full((PEOPLE, len(REGIONS)), 0.1)
    shares[:, REGIONS.index("cerebrum_gm")] -= 0.02 * np.array(patients) + 0.001 * AGES
    shares[:, REGIONS.index("ventricles")] += RANDOM.normal(0, 0.01, PEOPLE)
    gray, ventricles = effects(shares, AGES, patients)
    assert gray == "-2.00 (-2.00 to -2.00)"
    found, low, high = (float(word.strip("()")) for word in ventricles.replace(" to", "").split())
    assert low < 0 < high and found - low == pytest.approx(high - found, abs=0.02)
    # The standard error of a difference of two means of 20 people, at least.
    assert 1.8 * 2 * np.sqrt(1 / 20 + 1 / 20) < high - low < 8


def test_people_without_an_age_or_with_several_images_are_refused(tmp_path: Path):
    cohort = write_pairs(tmp_path / "cohort", people=2)
    with pytest.raises(InputError, match="must have one T1w image of each of --people, got"):
        main(["--cohort", str(cohort), "--people", "01", "02", "--methods", "unharmonized"])
    (cohort / "participants.tsv").write_text("participant_id\tage\nsub-01\t40\nsub-02\told\n")
    with pytest.raises(InputError, match=r"participants.tsv must have a number in `age` for everybody.*old"):
        read_ages(cohort, read_cohort(cohort))


def test_a_row_of_each_method_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cohort = write_pairs(tmp_path / "cohort", people=4)
    ages = []
    for image in read_cohort(cohort):
        number = int(image.subject.removeprefix("sub-"))
        if image.session != f"ses-0{1 + number % 2}":
            image.path.unlink()
        else:
            ages.append(f"{image.subject}\t{20 + 10 * number}\n")
    (cohort / "participants.tsv").write_text("participant_id\tage\n" + "".join(ages))
    described = []

    def describe(path: Path) -> Described:
        described.append(path)
        return Described(RANDOM.normal(0, 1, 44), np.ones(len(REGIONS)))

    monkeypatch.setattr("scripts.bench.unpaired_people.describe", describe)
    words = ["--cohort", str(cohort), "--people", "01", "02", "03", "04", "--workers", "1"]
    table = main([*words, "--methods", "unharmonized", f"mine={tmp_path / 'mine'}"])
    assert "patients" not in table
    assert [line.split(" | ")[:2] for line in table.splitlines()[2:]] == [["| unharmonized", "4"], ["| mine", "4"]]
    assert sum(tmp_path / "mine" in path.parents for path in described) == len(described) / 2 == 4
    people = (cohort / "participants.tsv").read_text().splitlines()
    years = ["brain_years", "12", "0", "12", "0"]
    (cohort / "participants.tsv").write_text("\n".join("\t".join(line) for line in zip(people, years, strict=True)))
    labels = np.arange(1000, dtype=np.uint8).reshape(10, 10, 10) % 10
    for number in range(1, 5):
        write_volume(truth_path(cohort, f"sub-0{number}", "desc-regions_dseg"), labels, np.eye(4))
    lines = main([*words, "--methods", "unharmonized"]).splitlines()
    assert lines[0].endswith("patients: gray matter | patients: ventricles |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| truth", "| unharmonized"]
    assert lines[2].replace("-0.00", "0.00").endswith("| 0.00 (0.00 to 0.00) | 0.00 (0.00 to 0.00) |")
