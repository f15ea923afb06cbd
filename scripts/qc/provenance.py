"""The section about what made an image: parameters and versions."""

from .figures import LABELS
from .markup import Markup, tag
from .part import Figures, Part
from .section import plain, section, tree


def parameters(part: Part, shown: Figures) -> Markup:
    """The whole sidecar."""
    method, target = part.sidecar["Method"], part.sidecar["Target"]
    goal = target.get("file") or target.get("name", "")
    if target.get("middle_ground"):
        goal = f"none, from {target['scanner']} to the middle ground of the method's scanners"
    rows = [("method", method["network_def"].get("_target_", "")), ("target", goal)]
    rows += [(f"source {LABELS[name]}", source["file"]) for name, source in part.sidecar["SourceImages"].items()]
    rows += [(f"weights {name}", value) for name, value in method["weights"].items()]
    rows += [("choice", choice) for choice in part.sidecar["Found"].get("choices", [])]
    rows += [("software", ", ".join(f"{name} {version}" for name, version in method["software"].items()))]
    listed = tag("table", [tag("tr", tag("th", name), tag("td", tag("code", plain(value)))) for name, value in rows])
    return section(
        "Parameters and versions",
        tag("div", listed, class_="table"),
        tag(
            "details",
            tag("summary", "Everything that decides the output, as its sidecar has it"),
            tag("div", tree(part.sidecar), class_="tree"),
        ),
    )
