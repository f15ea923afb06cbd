"""What the numbers mean, in words that promise no more than they know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .measures import in_percent


@dataclass(frozen=True)
class Limits:
    """From where on a number is worth a look.

    `severity` has two: by how much above what is usual for its contrast a source's artifact score must be to be called
    somewhat, and clearly, more degraded. `edges` is the least correlation, the others are the most there should be.
    """

    severity: tuple[float, float] = (0.25, 0.5)
    edges: float = 0.7
    imputed: float = 0.05
    outside: float = 0.001
    volumes: float = 0.1


def judge_severities(
    scores: Mapping[str, float], usual: Mapping[str, float], target: float | None, limits: Limits
) -> dict[str, str]:
    """A verdict on every source, by how far its score is above what is usual for its contrast.

    Where that is not known of all, by how far it is above the lowest score of the sources and the target.
    """
    if usual:
        return {name: _above_usual(score - usual[name], *limits.severity) for name, score in scores.items()}
    known = [*scores.values(), *([] if target is None else [target])]
    if len(known) < 2:
        return dict.fromkeys(scores, "there is no other image to compare it with")
    lowest, (somewhat, clearly) = min(known), limits.severity
    return {name: _above_lowest(score - lowest, somewhat, clearly) for name, score in scores.items()}


def _above_usual(excess: float, somewhat: float, clearly: float) -> str:
    return "no more signs of artifacts than usual" if excess < somewhat else f"{_more(excess, clearly)} than usual"


def _above_lowest(excess: float, somewhat: float, clearly: float) -> str:
    if excess == 0:
        return "the lowest score of these images"
    if excess < somewhat:
        return "about as few signs of artifacts as the image with the lowest score"
    return f"{_more(excess, clearly)} than the image with the lowest score"


def _more(excess: float, clearly: float) -> str:
    return f"{'clearly' if excess >= clearly else 'somewhat'} more signs of artifacts"


def find_concerns(values: Mapping[str, float], verdicts: Iterable[str], limits: Limits) -> list[str]:
    """What a reader should look at first; empty where nothing stands out."""
    concerns = []
    if values.get("outside", 0.0) >= limits.outside:
        concerns.append(
            f"{in_percent(values['outside'])} of the source lies outside the grid on which the method works and was cut"
            " off. The harmonized image is empty there. If brain is missing, do not use the volumes of this image."
        )
    if any(verdict.startswith("clearly") for verdict in verdicts):
        concerns.append("At least one source shows clearly more signs of artifacts. See the section on artifacts.")
    if values.get("edges", 1.0) < limits.edges:
        concerns.append(
            f"The edges of the harmonized image agree with those of the source only to {values['edges']:.2f}, where"
            f" {limits.edges:g} or more is expected. Compare the anatomy before and after."
        )
    if values.get("imputed", 0.0) > limits.imputed:
        concerns.append(
            f"{in_percent(values['imputed'])} of the image was made up from other contrasts, because the reference"
            " source shows nothing there. Do not read pathology in this part."
        )
    if values.get("volumes", 0.0) > limits.volumes:
        concerns.append(
            f"The volume of at least one brain region changed by {in_percent(values['volumes'])}. See the anatomy"
            " check."
        )
    return concerns
