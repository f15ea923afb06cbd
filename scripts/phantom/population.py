"""The 64 training sites of HACA3+ Table 1 and the rule that gives them its 132 scanners.

`population.csv` is the table. It names manufacturers and field strengths per site but no scanners, and one scanner for
every manufacturer and field strength that a site names would make 150. So 132 are apportioned:

1. Every site has one scanner for each of its field strengths (112).
2. The rest go, one by one, to the site with the most T1w scans per scanner so far (the first in the table where several
   tie). No site gets more scanners than the manufacturers or field strengths it names, since the table proves no more.
3. A site's scanners take each of its field strengths once, first the one that the fewest manufacturers build (1.1 T),
   then the one that fewer scanners so far have; further scanners take turns among the strengths that all build.
4. Each scanner is of a manufacturer that builds its field strength (`manufacturers.csv`; where the site names none, any
   of the site's): the one with the fewest scanners at the site so far, then with the fewest of this field strength at
   all sites so far, then the first named.
5. The first ceil(n * scans / T1w scans) of a site's n scanners acquire a contrast.

`python -m scripts.phantom.population` writes the result, `scanners.csv`, anew.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

from ..base.contrasts import CONTRASTS

FOLDER = Path(__file__).parent
SCANNER_TOTAL = 132


@dataclass(frozen=True)
class Site:
    """One row of the table; `scans` counts the scans per contrast."""

    name: str
    open: bool
    manufacturers: tuple[str, ...]
    field_strengths: tuple[float, ...]
    population: str
    scans: dict[str, int]


@dataclass(frozen=True)
class ListedScanner:
    """One scanner of the population: where it stands, what it is and which contrasts it acquires."""

    name: str
    site: str
    manufacturer: str
    field_strength: float
    contrasts: tuple[str, ...]


def read_sites(path: Path = FOLDER / "population.csv") -> list[Site]:
    """Read the table of sites."""
    return [
        Site(
            name=row["site"],
            open=row["open"] == "yes",
            manufacturers=tuple(row["manufacturers"].split()),
            field_strengths=tuple(float(field) for field in row["field_strengths"].split()),
            population=row["population"],
            scans={contrast: int(row[contrast]) for contrast in CONTRASTS},
        )
        for row in _read_rows(path)
    ]


def read_scanners(path: Path = FOLDER / "scanners.csv") -> list[ListedScanner]:
    """Read the apportioned scanners."""
    return [
        ListedScanner(
            name=row["scanner"],
            site=row["site"],
            manufacturer=row["manufacturer"],
            field_strength=float(row["field_strength"]),
            contrasts=tuple(row["contrasts"].split()),
        )
        for row in _read_rows(path)
    ]


def apportion(sites: Sequence[Site], total: int = SCANNER_TOTAL) -> list[int]:
    """How many scanners each site has (steps 1 and 2); all at their limit where `total` is beyond it."""
    counts = [len(site.field_strengths) for site in sites]
    limits = [max(len(site.manufacturers), len(site.field_strengths)) for site in sites]
    for _ in range(min(total, sum(limits)) - sum(counts)):
        below = [index for index, count in enumerate(counts) if count < limits[index]]
        counts[max(below, key=lambda index: sites[index].scans["t1w"] / counts[index])] += 1
    return counts


def list_scanners(sites: Sequence[Site], total: int = SCANNER_TOTAL) -> list[ListedScanner]:
    """Apply the whole rule."""
    built = {row["manufacturer"]: row["field_strengths"].split() for row in _read_rows(FOLDER / "manufacturers.csv")}
    builders = {
        field: [manufacturer for manufacturer, fields in built.items() if str(field) in fields]
        for field in sorted({field for site in sites for field in site.field_strengths})
    }
    everywhere: Counter[tuple[str, float]] = Counter()
    fields_so_far: Counter[float] = Counter()
    scanners = []
    for site, count in zip(sites, apportion(sites, total), strict=True):
        here: Counter[str] = Counter()
        once = sorted(site.field_strengths, key=lambda field: (len(builders[field]), fields_so_far[field]))
        common = [field for field in once if len(builders[field]) == len(built)]
        for index, field in enumerate(islice(chain(once, cycle(common)), count)):
            fitting = [name for name in site.manufacturers if name in builders[field]] or site.manufacturers
            manufacturer = min(fitting, key=lambda name: (here[name], everywhere[name, field]))
            here[manufacturer] += 1
            everywhere[manufacturer, field] += 1
            fields_so_far[field] += 1
            contrasts = tuple(name for name in CONTRASTS if index * site.scans["t1w"] < count * site.scans[name])
            scanners.append(ListedScanner(f"{site.name}-{index + 1:02d}", site.name, manufacturer, field, contrasts))
    return scanners


def write_scanners(scanners: Sequence[ListedScanner], path: Path = FOLDER / "scanners.csv") -> None:
    """Write the list that `read_scanners` reads."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["scanner", "site", "manufacturer", "field_strength", "contrasts"])
        for scanner in scanners:
            fields = (scanner.name, scanner.site, scanner.manufacturer, scanner.field_strength)
            writer.writerow([*fields, " ".join(scanner.contrasts)])


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    write_scanners(list_scanners(read_sites()))
