from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import InputError
from scripts.methods.mispel.paired_subjects import PairedCohort
from scripts.training.visits import Visit


def visits(*names: str) -> list[Visit]:
    """Visits such as `1A`, person and scanner."""
    return [
        Visit(f"sub-0{n}_{s}", f"sub-0{n}", "S", s, {"t1w": Path(f"{n}{s}.nii"), "flair": Path(f"{n}{s}f.nii")})
        for n, s in names
    ]


def cohort(*names: str, scanners: tuple[str, ...] = ("A", "B"), held_out: Any = "02", **options: Any) -> PairedCohort:
    return PairedCohort(visits(*names), scanners, held_out, **options)


def test_people_who_are_held_out_are_not_trained_on():
    pairs = cohort("1B", "1A", "2A", "2B", "3A", "3B", held_out=["02", "sub-03"])
    assert [(s.name, s.images) for s in pairs.train] == [("sub-01", {"A": Path("1A.nii"), "B": Path("1B.nii")})]
    assert [subject.name for subject in pairs.validate] == ["sub-02", "sub-03"]
    # The order is that of the scanners, not of the visits.
    assert [list(subject.images) for subject in pairs.subjects] == [["A", "B"]] * 3


def test_scanners_that_are_not_asked_for_are_not_used():
    pairs = cohort("1A", "1B", "1C", "2A", "2B", contrast="flair")
    assert pairs.train[0].images == {"A": Path("1Af.nii"), "B": Path("1Bf.nii")}


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (
            ("1A", "1B", "2A"),
            {},
            "every subject on each of the scanners A, B, but sub-02 has no t1w image of B",
        ),
        # Nobody was on two scanners.
        (("1A", "2B"), {}, "a paired cohort must have every subject .* but sub-01 has no t1w image of B"),
        (("1A", "2A"), {"scanners": ("A",)}, "a paired cohort must have at least 2 scanners, got A; .* `StationName`"),
        (("1A", "1B", "2A", "2B", "2B"), {}, "sub-02 must have one t1w image of B, got 2B.nii, 2B.nii"),
        (("1A", "1B", "2A", "2B"), {"contrast": "pd"}, "a paired cohort must have images of `pd`, it has none"),
        (("1A", "1B", "2A", "2B"), {"held_out": None}, "`held_out` must name the subjects that training does not see"),
        (("1A", "1B", "2A", "2B"), {"held_out": "07"}, "`held_out` must be among sub-01, sub-02, got sub-07"),
        (("1A", "1B", "2A", "2B"), {"held_out": "01 02"}, "`held_out` must leave subjects .* got all: sub-01, sub-02"),
    ],
)
def test_a_cohort_that_is_not_paired_is_refused(names, options, words):
    with pytest.raises(InputError, match=words):
        cohort(*names, **options)
