"""Plans of simulated cohorts: who is scanned where, drawn from a design and a seed.

A design is a block of `designs` in `configs/simulate.json`; `CohortDesign` says what its keys mean. The training
cohort visits the scanners of the population (`population.py`). The test cohorts have scanners of their own, whose names
(`treat-JH-01`, `fthp-001`, `masivar-1A`) the population never uses: all that is random about a scanner follows from its
name and one `scanner_seed`, so it is the same in every cohort, whatever the cohort's own seed, and no two are alike.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..base.arguments import refuse_unknown
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from .population import ListedScanner, read_scanners, read_sites
from .scanner import Scanner, draw_scanner, prescribe


@dataclass(frozen=True)
class CohortDesign:
    """What a cohort looks like before anything is drawn; pairs are the lowest and the highest value."""

    subjects: int
    age: Sequence[float]
    population: str | Mapping[str, float]
    """Weights of the populations (HC, MS, ...), or "site" for the population of the first scanner's site."""
    lesion_load: Sequence[float]
    """Lesion load of people with MS, uniform; others have none."""
    scanners: str | Sequence[str | Mapping[str, Any]]
    """"population" for all scanners of it, or a list: names of its scanners, or blocks as `_group_scanners` reads."""
    contrasts: Sequence[str]
    visits: Sequence[int]
    total_visits: int | None = None
    """Visits of all `subjects` together (in proportion where another number of subjects is asked for)."""
    first_scanner: str | None = None
    """Where everybody's first visit takes place."""
    runs: int = 1
    """Scans in one visit: 2 for scan and rescan."""
    head_share: float = 0.0
    """Share of subjects who come with the whole head."""
    protocol: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a study prescribes to all of its scanners, by contrast: `sequence`, `acquisition`, laws of parameters."""
    patients: Mapping[str, Any] = field(default_factory=dict)
    """A group whose brains are `brain_years` older than they are, and its `share` by the scanner of the first visit."""


@dataclass(frozen=True)
class VisitPlan:
    """One visit of a subject to one scanner; `seed` fixes noise, position and drift."""

    session: str
    scanner: str
    contrasts: tuple[str, ...]
    runs: int
    seed: int

    def run_seed(self, run: int) -> int:
        """Seed of one of the visit's runs, counted from 1."""
        return derive_seed(self.seed, run)


@dataclass(frozen=True)
class SubjectPlan:
    """One subject and all of their visits, the first being the reference; brains of patients are older than `age`."""

    name: str
    seed: int
    age: float
    population: str
    lesion_load: float
    head: bool
    visits: tuple[VisitPlan, ...]
    brain_years: float = 0.0


@dataclass(frozen=True)
class Cohort:
    """A drawn cohort: its subjects and, by name, the scanners they visit."""

    name: str
    seed: int
    scanner_seed: int
    subjects: tuple[SubjectPlan, ...]
    scanners: dict[str, Scanner]

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `json` can write."""
        return asdict(self)


def draw_cohort(
    name: str,
    designs: Mapping[str, Mapping[str, Any]],
    ranges: Mapping[str, Any],
    seed: int,
    scanner_seed: int = 1,
    subjects: int | None = None,
) -> Cohort:
    """Draw the cohort `name` of `designs`, with `subjects` subjects where the design's own number is not wanted."""
    design = _read_design(name, designs)
    count = design.subjects if subjects is None else subjects
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"cohort {name}: `subjects` must be a whole number of at least 1, got {count}")
    prescribed = prescribe(ranges, design.protocol)
    scanners = draw_scanners(design.scanners, design.contrasts, prescribed, scanner_seed)
    refuse_unknown(design.patients.get("share", {}), tuple(scanners), f"scanner of `patients` of cohort {name}")
    if design.first_scanner not in (None, *scanners):
        raise InputError(f"cohort {name}: `first_scanner` must be one of its scanners, got {design.first_scanner}")
    if not 1 <= design.visits[0] <= design.visits[1] <= len(scanners):
        raise InputError(
            f"cohort {name}: `visits` must be two ascending numbers from 1 to its {len(scanners)} scanners, "
            f"got {list(design.visits)}"
        )
    rng = np.random.default_rng(derive_seed(seed, name))
    routes = _draw_routes(list(scanners), design.first_scanner, _draw_visit_counts(name, design, count, rng), rng)
    width = max(2, len(str(count)))
    plans = [
        _plan_subject(f"sub-{i + 1:0{width}d}", derive_seed(seed, name, i + 1), design, [scanners[s] for s in route])
        for i, route in enumerate(routes)
    ]
    return Cohort(name, seed, scanner_seed, tuple(plans), scanners)


def draw_scanners(
    entries: str | Sequence[str | Mapping[str, Any]],
    contrasts: Iterable[str],
    ranges: Mapping[str, Any],
    scanner_seed: int,
) -> dict[str, Scanner]:
    """Draw the scanners that a design's `scanners` names; each acquires those of `contrasts` that it can."""
    population = {scanner.name: scanner for scanner in read_scanners()}
    listed: list[tuple[ListedScanner, Mapping[str, Any]]] = []
    for entry in population if entries == "population" else entries:
        if isinstance(entry, Mapping):
            narrowed = prescribe(ranges, entry.get("protocol", {}))
            listed.extend((scanner, narrowed) for scanner in _group_scanners(entry, tuple(contrasts), scanner_seed))
        elif entry in population:
            listed.append((population[entry], ranges))
        else:
            nearest = get_close_matches(str(entry), population, n=1, cutoff=0.0)[0]
            raise InputError(f"`scanners` must be scanners of the population, got {entry}; did you mean {nearest}?")
    drawn = {}
    for scanner, own in listed:
        wanted = [contrast for contrast in contrasts if contrast in scanner.contrasts]
        if wanted:
            place = (scanner.name, scanner.site, scanner.manufacturer, scanner.field_strength)
            drawn[scanner.name] = draw_scanner(*place, wanted, derive_seed(scanner_seed, scanner.name), own)
    return drawn


def _group_scanners(group: Mapping[str, Any], contrasts: tuple[str, ...], scanner_seed: int) -> list[ListedScanner]:
    """List `count` scanners outside the population.

    `name` and `site` are formats of the scanner's number, counted from 1; `manufacturer` and `field_strength` are
    weights. What else a group may have, a `protocol` as a design has one, holds for these scanners alone.
    """
    scanners = []
    for number in range(1, group.get("count", 1) + 1):
        name = group["name"].format(number)
        rng = np.random.default_rng(derive_seed(scanner_seed, name, "kind"))
        manufacturer, field = (_choose(group[key], rng) for key in ("manufacturer", "field_strength"))
        scanners.append(ListedScanner(name, group["site"].format(number), manufacturer, float(field), contrasts))
    return scanners


def _read_design(name: str, designs: Mapping[str, Mapping[str, Any]]) -> CohortDesign:
    if name not in designs:
        raise InputError(f"`cohort` must be one of {', '.join(sorted(designs))}, got {name}")
    known = [field.name for field in fields(CohortDesign)]
    for key in designs[name]:
        if key not in known:
            raise InputError(f"cohort {name}: keys of a design must be among {', '.join(known)}, got {key}")
    design = CohortDesign(**designs[name])
    for contrast in design.contrasts:
        if contrast not in CONTRASTS:
            raise InputError(f"cohort {name}: `contrasts` must be among {', '.join(CONTRASTS)}, got {contrast}")
    if design.patients and set(design.patients) != {"brain_years", "share"}:
        found = ", ".join(design.patients)
        raise InputError(f"cohort {name}: `patients` must have `brain_years` and `share`, got {found}")
    return design


def _population_of_site(key: str, site: str) -> str:
    populations = {listed.name: listed.population for listed in read_sites()}
    if key != "site" or site not in populations:
        raise InputError(f'`population` must be weights, or "site" for a site of the population, got {key} for {site}')
    return populations[site]


def _choose(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    shares = np.array(list(weights.values()), dtype=float)
    return list(weights)[rng.choice(len(shares), p=shares / shares.sum())]


def _draw_visit_counts(name: str, design: CohortDesign, count: int, rng: np.random.Generator) -> list[int]:
    """Visits of each subject, adding up to the design's total where it has one."""
    low, high = design.visits
    if design.total_visits is None:
        return [int(n) for n in rng.integers(low, high, size=count, endpoint=True)]
    if not low * design.subjects <= design.total_visits <= high * design.subjects:
        raise InputError(
            f"cohort {name}: `total_visits` must be from {low * design.subjects} to {high * design.subjects} "
            f"for {design.subjects} subjects with {low} to {high} visits, got {design.total_visits}"
        )
    # Each subject could have high - low visits more than the least; which of these take place is drawn.
    extra = np.repeat(np.arange(count), high - low)
    taken = rng.permutation(extra)[: round(design.total_visits * count / design.subjects) - low * count]
    return [low + int(n) for n in np.bincount(taken, minlength=count)]


def _draw_routes(
    scanners: Sequence[str], first: str | None, counts: Iterable[int], rng: np.random.Generator
) -> list[list[str]]:
    """Scanners that each subject visits, none twice; whichever had the fewest visits so far comes next."""
    so_far: Counter[str] = Counter()
    routes = []
    for count in counts:
        order = sorted((name for name in rng.permutation(scanners).tolist() if name != first), key=so_far.__getitem__)
        route = ([] if first is None else [first]) + order
        routes.append(route[:count])
        so_far.update(route[:count])
    return routes


def _plan_subject(name: str, seed: int, design: CohortDesign, route: Sequence[Scanner]) -> SubjectPlan:
    """Draw what is left of a subject once the scanners are known."""
    rng = np.random.default_rng(seed)
    age = round(float(rng.uniform(design.age[0], design.age[1])), 1)
    lesion_load = round(float(rng.uniform(design.lesion_load[0], design.lesion_load[1])), 3)
    head = bool(rng.random() < design.head_share)
    if isinstance(design.population, str):
        population = _population_of_site(design.population, route[0].site)
    else:
        population = _choose(design.population, rng)
    visits = tuple(
        VisitPlan(f"ses-{i + 1:02d}", s.name, tuple(s.protocols), design.runs, derive_seed(seed, s.name))
        for i, s in enumerate(route)
    )
    lesion_load = lesion_load if population == "MS" else 0.0
    patient = bool(rng.random() < design.patients.get("share", {}).get(route[0].name, 0.0))
    brain_years = float(design.patients["brain_years"]) if patient else 0.0
    return SubjectPlan(name, seed, age, population, lesion_load, head, visits, brain_years)
