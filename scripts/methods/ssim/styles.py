"""Styles: the labels, sites or scanners, that images of one place of acquisition have, and where they are known from.

A label is written `site:Oslo` or `scanner:GE-1`, and a style, the set of labels of a place, with a plus between them.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from ...base.errors import InputError
from ...base.weights import read_checkpoint
from ...training.scans import ScanStream, check_label_field
from ...training.visits import UNKNOWN, Visit
from .generator import to_label

logger = logging.getLogger(__name__)

AGNOSTIC = "agnostic"
"""The style without a label: it is that of no place."""
_COLUMNS = "generator.style.columns."
_VECTORS = "vectors"


def place_labels(site: str, scanner: str, fields: Collection[str]) -> tuple[str, ...]:
    """The labels of a place, those of `fields` alone."""
    return tuple(f"{field}:{value}" for field, value in (("scanner", scanner), ("site", site)) if field in fields)


def style_name(style: Sequence[str]) -> str:
    """As a user writes it."""
    return "+".join(style)


def labels_of(styles: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Every label of the styles, in alphabetical order."""
    return tuple(sorted({label for style in styles for label in style}))


def check_styles(styles: Any) -> None:
    """Refuse what is not at least two sets of labels."""
    whole = isinstance(styles, Sequence) and all(isinstance(s, Sequence) and not isinstance(s, str) for s in styles)
    names = [style_name(style) for style in styles] if whole else []
    if not whole or not all(":" in label for style in styles for label in style):
        raise InputError(f"`styles` must be lists of labels such as [['site:Oslo'], ['site:Bergen']], got {styles!r}")
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise InputError(
            f"`styles` must be at least two, all different, got {', '.join(names) or 'none'}: the images of one place "
            "alone tell nothing of what differs between places"
        )


def training_styles(scans: Sequence[ScanStream], fields: str | Sequence[str]) -> list[list[str]]:
    """The styles that the scans of a training have; `fields` are site, scanner or both."""
    fields = ensure_tuple(fields)
    for field in fields:
        check_label_field(field)
    if not fields:
        raise InputError("`label_fields` must hold site, scanner or both, got none")
    places = {place for each in scans for place in each.places()}
    for place in sorted(places):
        for field in fields:
            if getattr(place, field) == UNKNOWN:
                raise InputError(
                    f"every image to train on must have a {field}, but that of some is unknown: name it in the sidecar "
                    f"(`{field}_fields`), in the column `{field}` of the cohort file, or take other `label_fields`"
                )
    styles = sorted({place_labels(place.site, place.scanner, fields) for place in places})
    if len(styles) < 2:
        raise InputError(
            f"a cohort to train on must be of at least two places by {' and '.join(fields)} (`label_fields`), got "
            f"{style_name(styles[0]) if styles else 'none'} alone"
        )
    return [list(style) for style in styles]


def known_styles(
    styles: Sequence[Sequence[str]] | None, weights_file: Path | str, random: bool, advice: str
) -> Sequence[Sequence[str]]:
    """The `styles` if they are given, else those that weights were trained on."""
    if styles is not None:
        return styles
    if random:
        raise InputError("`styles` must be given where weights are random, such as [['site:Oslo'], ['site:Bergen']]")
    if not Path(weights_file).is_file():
        raise InputError(f"weights file {weights_file} does not exist; {advice}")
    state = read_checkpoint(weights_file)
    if not isinstance(state, Mapping) or _VECTORS not in state:
        raise InputError(f"weights file {weights_file} must be of this method, it names no styles; {advice}")
    labels = [to_label(key.removeprefix(_COLUMNS)) for key in state if key.startswith(_COLUMNS)]
    return [[label for label, value in zip(labels, row, strict=True) if value > 0] for row in state[_VECTORS].tolist()]


@dataclass(frozen=True)
class HeldOutVisits:
    """Which of the `visits` training does not see: those of a `share` of the people of each style, at least of one.

    A person is on one side alone, whatever scanners they visited. A style of a single person has nobody held out.
    """

    visits: Sequence[Visit]
    fields: str | Sequence[str]
    share: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a share that leaves nobody."""
        if not 0 < self.share <= 0.5:
            raise InputError(f"`held_out_share` must be above 0 and at most 0.5, got {self.share}")

    @property
    def train(self) -> list[Visit]:
        """What to train on."""
        people = self._people()
        return [visit for visit in self.visits if visit.subject not in people]

    @property
    def validate(self) -> list[Visit]:
        """What is held out; everything, with a warning, where a person cannot be spared."""
        people = self._people()
        if not people:
            logger.warning("no style has a person to spare: validation sees what training saw")
        return [visit for visit in self.visits if visit.subject in people or not people]

    def _people(self) -> set[str]:
        by_style: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for visit in self.visits:
            known = by_style[place_labels(visit.site, visit.scanner, ensure_tuple(self.fields))]
            if visit.subject not in known:
                known.append(visit.subject)
        held: set[str] = set()
        for people in by_style.values():
            wanted = max(1, round(self.share * len(people))) if len(people) > 1 else 0
            spare = [person for person in reversed(people) if person not in held]
            # Who is held out for another style already counts.
            held.update(spare[: max(0, wanted - sum(person in held for person in people))])
        # Of every style somebody is left to train on.
        for people in by_style.values():
            if held.issuperset(people):
                held.discard(people[0])
        return held
