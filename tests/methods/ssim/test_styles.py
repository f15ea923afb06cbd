import logging

import pytest

from scripts.base.errors import InputError
from scripts.methods.ssim.styles import HeldOutVisits, training_styles
from scripts.training.scans import Place
from scripts.training.visits import Visit

from ...training.box_stream import BoxScans


class Places(BoxScans):
    def __init__(self, *places: tuple[str, str]) -> None:
        super().__init__()
        self.there = [Place(*place) for place in places]

    def places(self) -> list[Place]:
        return self.there


def visits(*people: tuple[str, str]) -> list[Visit]:
    return [Visit(f"{person}-{scanner}", person, "S", scanner, {}) for person, scanner in people]


def test_styles_are_one_of_several_labels_or_a_pair():
    scans = [Places(("Oslo", "GE"), ("Oslo", "Trio")), Places(("Bergen", "GE-2"))]
    assert training_styles(scans, "site") == [["site:Bergen"], ["site:Oslo"]]
    assert training_styles(scans, ["scanner"]) == [["scanner:GE"], ["scanner:GE-2"], ["scanner:Trio"]]
    assert training_styles(scans, ("site", "scanner"))[0] == ["scanner:GE", "site:Oslo"]


@pytest.mark.parametrize(
    ("places", "fields", "words"),
    [
        ([("Oslo", "GE")], "site", "at least two places by site .`label_fields`., got site:Oslo alone"),
        ([("Oslo", "GE"), ("Oslo", "GE")], ["site", "scanner"], "got scanner:GE.site:Oslo alone"),
        ([("Oslo", "GE"), ("unknown", "Trio")], "site", "must have a site, .* in the sidecar .`site_fields`."),
        ([("Oslo", "GE"), ("Oslo", "unknown")], "scanner", "must have a scanner, .* the column `scanner`"),
        ([("Oslo", "GE")], "vendor", "`field` must be site or scanner, got vendor"),
        ([("Oslo", "GE")], [], "`label_fields` must hold site, scanner or both, got none"),
    ],
)
def test_cohorts_that_teach_nothing_are_refused(places, fields, words):
    with pytest.raises(InputError, match=words):
        training_styles([Places(*places)], fields)


def test_people_of_every_style_are_held_out_on_all_of_their_scanners():
    cohort = visits(*[(f"a{n}", "A") for n in range(10)], *[(f"b{n}", "B") for n in range(3)], ("a9", "B"))
    split = HeldOutVisits(cohort, "scanner", 0.2)
    assert {visit.subject for visit in split.validate} == {"a8", "a9"}
    assert {visit.subject for visit in split.train}.isdisjoint({"a8", "a9"})
    assert len(split.train) + len(split.validate) == len(cohort)


def test_a_single_person_of_a_style_is_trained_on(caplog):
    split = HeldOutVisits(visits(("a", "A"), ("b", "B")), "scanner", 0.5)
    assert len(split.train) == 2
    with caplog.at_level(logging.WARNING):
        assert len(split.validate) == 2
    assert "no style has a person to spare" in caplog.text
    with pytest.raises(InputError, match="`held_out_share` must be above 0 and at most 0.5, got 1"):
        HeldOutVisits(visits(("a", "A")), "scanner", 1)
