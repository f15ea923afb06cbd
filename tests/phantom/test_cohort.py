import json
from collections import Counter
from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.phantom.cohort import Cohort, draw_cohort, draw_scanners
from scripts.phantom.population import read_scanners, read_sites
from scripts.phantom.scanner import load_ranges

DESIGNS = json.loads((Path(__file__).parents[2] / "configs" / "simulate.json").read_text())["designs"]
RANGES = load_ranges()


def draw(name: str, designs=DESIGNS, seed: int = 1, **options) -> Cohort:
    return draw_cohort(name, designs, RANGES, seed, **options)


def changed(name: str, **keys) -> dict:
    return {name: {**DESIGNS[name], **keys}}


def visits(cohort: Cohort) -> list[list[str]]:
    return [[visit.scanner for visit in subject.visits] for subject in cohort.subjects]


def test_treat_is_63_scan_rescan_visits_at_nine_sites():
    cohort = draw("treat")
    routes = visits(cohort)
    assert len(cohort.subjects) == 15 and sum(map(len, routes)) == 63
    assert {len(route) for route in routes} == {3, 4, 5}
    assert all(route[0] == "treat-JH-01" and len(set(route)) == len(route) for route in routes)
    assert len({cohort.scanners[name].site for route in routes for name in route}) == 9
    assert {(v.runs, v.contrasts) for s in cohort.subjects for v in s.visits} == {(2, ("t1w", "t2w", "pd", "flair"))}
    assert {s.population for s in cohort.subjects} == {"HC", "MS"}
    assert all((s.lesion_load > 0) == (s.population == "MS") and 18 <= s.age <= 60 for s in cohort.subjects)


def test_fthp_is_one_subject_on_116_scanners():
    (route,) = visits(draw("fthp"))
    assert len(set(route)) == 116
    assert draw("fthp").subjects[0].visits[0].session == "ses-01"


def test_masivar_is_19_visits_of_five_subjects():
    routes = visits(draw("masivar"))
    assert sorted(map(len, routes)) == [3, 4, 4, 4, 4]
    assert {route[0] for route in routes} == {"masivar-1A"}


def test_mispel_is_18_people_on_the_same_four_scanners_by_the_papers_protocols():
    cohort = draw("mispel")
    assert len(cohort.subjects) == 18
    assert {tuple(sorted(route)) for route in visits(cohort)} == {
        ("mispel-GE", "mispel-Philips", "mispel-Prisma", "mispel-Trio")
    }
    protocols = {name.removeprefix("mispel-"): scanner.protocols["t1w"] for name, scanner in cohort.scanners.items()}
    assert {name: p.inversion_time for name, p in protocols.items() if name != "GE"} == {
        "Philips": 1.3,
        "Prisma": 1.1,
        "Trio": 1.2,
    }
    bravo = protocols["GE"]
    # The train of 9.5 ms echoes begins 600 ms after the inversion.
    assert bravo.inversion_time - bravo.echo_train_length * bravo.echo_spacing / 2 == pytest.approx(0.6)
    assert (bravo.echo_time, bravo.slice_mm) == (0.0037, 0.5)
    assert all(51 <= subject.age <= 78 for subject in cohort.subjects)


def test_a_scanners_own_protocol_is_that_of_no_other():
    first, *others = DESIGNS["demo"]["scanners"]
    own = {**first, "protocol": {"t1w": {"repetition_time": 7.5}}}
    drawn = draw("demo", changed("demo", scanners=[own, *others])).scanners
    plain = draw("demo").scanners
    assert drawn["demo-A"].protocols["t1w"].repetition_time == 7.5
    # What the whole study prescribes holds too.
    assert drawn["demo-A"].protocols["t1w"].sequence == "mprage"
    assert {name: drawn[name] for name in ("demo-B", "demo-C")} == {name: plain[name] for name in ("demo-B", "demo-C")}


def test_train_visits_every_scanner_of_the_population_before_any_twice():
    cohort = draw("train", subjects=200)
    count = Counter(name for route in visits(cohort) for name in route)
    assert set(count) == {scanner.name for scanner in read_scanners()} and set(count.values()) == {1, 2}
    populations = {site.name: site.population for site in read_sites()}
    for subject in cohort.subjects:
        assert subject.population == populations[cohort.scanners[subject.visits[0].scanner].site]
    assert 0.2 < sum(subject.head for subject in cohort.subjects) / 200 < 0.4


def test_scanners_of_the_other_cohorts_never_occur_in_train():
    drawn = {name: draw(name).scanners for name in DESIGNS}
    trained = drawn.pop("train")
    for scanners in drawn.values():
        assert not set(scanners) & set(trained)
        assert not {s.site for s in scanners.values()} & {s.site for s in trained.values()}
        assert not {s.seed for s in scanners.values()} & {s.seed for s in trained.values()}


def test_seed_decides_subjects_and_visits_but_not_scanners():
    first, again, other = draw("demo"), draw("demo"), draw("demo", seed=2)
    assert first == again
    assert first.subjects != other.subjects and first.scanners == other.scanners
    assert draw("demo", scanner_seed=2).scanners != first.scanners


def test_subject_stays_the_same_in_a_larger_cohort():
    few, many = draw("demo", subjects=2), draw("demo", subjects=4)
    assert [(s.seed, s.age) for s in few.subjects] == [(s.seed, s.age) for s in many.subjects[:2]]


def test_no_two_visits_or_runs_share_a_seed():
    cohort = draw("treat")
    seeds = [v.run_seed(run) for s in cohort.subjects for v in s.visits for run in (1, 2)]
    assert len(set(seeds)) == 126


def test_total_visits_scale_with_the_number_of_subjects():
    # 63 visits of 15 subjects are 4.2 each, so 21 of 5.
    assert sum(map(len, visits(draw("treat", subjects=5)))) == 21


def test_plan_can_be_saved():
    content = json.loads(json.dumps(draw("demo").to_json()))
    assert content["subjects"][0]["visits"][0]["scanner"] == "demo-A"


def test_named_scanners_acquire_what_their_site_does():
    scanners = draw_scanners(["S17-01", "S1-01"], ["t1w", "t2w"], RANGES, 1)
    assert {name: list(s.protocols) for name, s in scanners.items()} == {"S17-01": ["t1w"], "S1-01": ["t1w", "t2w"]}


@pytest.mark.parametrize("subjects", [0, -1, 1.5, "many", True])
def test_wrong_number_of_subjects_is_refused(subjects):
    with pytest.raises(InputError, match=f"cohort demo: `subjects` must be a whole number .* 1, got {subjects}"):
        draw("demo", subjects=subjects)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"scanners": ["S19-03", "S19-77"]}, "must be scanners of the population, got S19-77; did you mean S19-0"),
        ({"subjects": 0}, "cohort demo: `subjects` must be a whole number of at least 1, got 0"),
        ({"first_scanner": "demo-Z"}, "cohort demo: `first_scanner` must be one of its scanners, got demo-Z"),
        ({"visits": [3, 4]}, r"cohort demo: `visits` must be .* from 1 to its 3 scanners, got \[3, 4\]"),
        ({"visits": [2, 1]}, r"cohort demo: `visits` must be two ascending numbers .*, got \[2, 1\]"),
        ({"total_visits": 10}, "cohort demo: `total_visits` must be from 4 to 4 for 2 subjects .*, got 10"),
        ({"contrasts": ["t1w", "dwi"]}, "cohort demo: `contrasts` must be among t1w, t2w, pd, flair, got dwi"),
        ({"population": "site"}, '`population` must be weights, or "site" for a site .*, got site for demo-1'),
        ({"patients": {"share": {}}}, "cohort demo: `patients` must have `brain_years` and `share`, got share"),
        (
            {"patients": {"brain_years": 1, "share": {"demo-Z": 0.5}}},
            "unknown scanner of `patients` of cohort demo `demo-Z`",
        ),
        ({"heads": 1}, "cohort demo: keys of a design must be among subjects, age, .*, got heads"),
    ],
)
def test_wrong_design_is_refused(keys, words):
    with pytest.raises(InputError, match=words):
        draw("demo", changed("demo", **keys))


def test_unknown_cohort_is_refused():
    with pytest.raises(
        InputError,
        match="`cohort` must be one of demo, fthp, masivar, .*, study, .*, treat, unpaired, unpaired_travel, got trian",
    ):
        draw("trian")


def test_patients_are_unevenly_spread_and_older_in_brain():
    cohort = draw("study", subjects=400)
    by_scanner = {
        name: [s.brain_years for s in cohort.subjects if s.visits[0].scanner == name] for name in cohort.scanners
    }
    assert {years for found in by_scanner.values() for years in found} == {0.0, 12.0}
    shares = [sum(years > 0 for years in found) / len(found) for found in by_scanner.values()]
    assert shares == pytest.approx([0.8, 0.65, 0.5, 0.35, 0.2], abs=0.15)
