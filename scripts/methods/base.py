"""The contract of every method, and nothing but it: a `Method` harmonizes by the `Code` that it made of a target.

The engine, the report, MONAI Label and the jobs know these two classes alone. A new method is a folder beside this
file with a subclass of each, and a config that names them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..inferers.harmonization import HarmonizationInferer, Harmonized, SourceFeatures
from ..jobs.targets import NamedTargets, StoredCode


@dataclass(frozen=True)
class Abilities:
    """What a method can do; the engine asks for nothing else.

    `targets`: it brings images to a target, else to a middle ground of the scanners it knows. `stored_codes`: its codes
    can be kept in files, averaged, and so be those of a site. `imputes`: it makes a contrast that a subject lacks.
    `any_scanner`: it takes images of scanners that it was not trained on. `companions`: for a contrast that a subject
    lacks, it looks at other contrasts of the target's visit too. `contrasts`: those that it harmonizes.
    """

    targets: bool = True
    stored_codes: bool = False
    imputes: bool = False
    any_scanner: bool = True
    companions: bool = False
    contrasts: Sequence[str] = CONTRASTS


@dataclass(frozen=True, eq=False, kw_only=True)
class Code(ABC):
    """What a method remembers of a target of one `contrast`; subclasses add the method's own numbers.

    `scale` is the intensity that 1.0 stands for, `head` whether the target shows the head or the brain alone, both if
    known. `origin` says where the code comes from, `weights` which weights made it, the SHA-256 of their file (empty
    where a person did), `name` by which name or file the user calls it.
    """

    method: ClassVar[str]
    """Stands in code files, and so never changes."""

    contrast: str
    scale: float | None = None
    head: bool | None = None
    origin: str = ""
    weights: str = ""
    name: str = ""

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """The method's own numbers, as JSON holds them."""

    @classmethod
    @abstractmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """What codes of one contrast have in common; `origin` has `origin`, `weights` and `name` of the new one."""

    @staticmethod
    def in_common(codes: Sequence["Code"]) -> dict[str, Any]:
        """Of codes of one contrast, what does not depend on the method: that contrast, the mean `scale`, and `head`."""
        scales = [code.scale for code in codes if code.scale is not None]
        heads = {code.head for code in codes}
        return {
            "contrast": codes[0].contrast,
            "scale": sum(scales) / len(scales) if scales else None,
            "head": heads.pop() if len(heads) == 1 else None,
        }

    def describe(self) -> dict[str, list[float]]:
        """What differs between scanners, `appearance`, and between images with artifacts, `artifacts`, if known."""
        return {}

    def severity(self) -> float | None:
        """How severe the artifacts of the target are, if the method tells."""
        artifacts = self.describe().get("artifacts")
        return None if artifacts is None else float(torch.tensor(artifacts).norm())

    def when_absent(self) -> Self:
        """The code as it is used for a subject who lacks the contrast."""
        return self

    def to_json(self) -> dict[str, Any]:
        """What a file holds; the method reads it back."""
        common = {"scale": self.scale, "origin": self.origin, "weights": self.weights, "head": self.head}
        return {"contrast": self.contrast, **self.numbers(), **common, "method": self.method}


class Method(ABC):
    """A network, and how subjects go through it.

    `network` and `inferer` are those of the config. A subject is `data`: `image` (4, X, Y, Z) and `available` (4,) on
    the working grid, and whatever else preprocessing gave.
    """

    name: str
    """Stands in sidecars and code files, and so never changes."""
    network: nn.Module
    inferer: HarmonizationInferer
    parts: ClassVar[Sequence[str]] = ()
    """Attributes that decide an output beside the network and the inferer."""

    @property
    @abstractmethod
    def can(self) -> Abilities:
        """What the method can do."""

    @property
    def named_targets(self) -> NamedTargets:
        """The targets that the method knows by name without any image or file; a config hands them to the jobs."""
        return {}

    def encode(self, images: Tensor, contrast: str, when_absent: bool = False) -> Code:
        """The code of the target of `contrast` among the prepared `images` (4, X, Y, Z) of its visit.

        `when_absent` says that it is also for subjects who lack the contrast.
        """
        raise InputError(f"{self._sentence} and takes no target, got an image")

    def describe_image(self, image: Tensor, contrast: str) -> dict[str, list[float]]:
        """What the code of one prepared image (X, Y, Z) says, as `Code.describe` has it."""
        stack = image.new_zeros(len(CONTRASTS), *image.shape)
        stack[CONTRASTS.index(contrast)] = image
        return self.encode(stack, contrast).describe()

    def middle_ground(self, contrast: str, scanner: str | None) -> Code:
        """The code by which scans of a scanner go to the middle ground; refuse scanners that are not known."""
        raise InputError(f"`middle_ground` is for methods without targets, {self.name} needs one")

    def read_code(self, stored: StoredCode) -> Code:
        """The code that a file holds; refuse one of another method or shape."""
        if self.can.targets:
            raise InputError(f"the target of {self.name} must be an image, got the code {stored.name}")
        raise InputError(f"{self._sentence} and takes no target, got the code {stored.name}")

    @abstractmethod
    def for_network(self, code: Any) -> Any:
        """The code in the form that the inferer takes as a target."""

    def harmonize(self, data: Mapping[str, Any], codes: Sequence[Code]) -> list[Harmonized]:
        """One finished result for each code, in units of the code's scale."""
        targets = [self.for_network(code) for code in codes]
        results = self.inferer.harmonize(data["image"], self.network, targets, data["available"])
        return self.finish(results, data, codes)

    def finish(self, results: Sequence[Harmonized], data: Mapping[str, Any], codes: Sequence[Code]) -> list[Harmonized]:
        """What is still to be done to what the inferer gives."""
        return list(results)

    def features(self, data: Mapping[str, Any]) -> SourceFeatures | None:
        """What the method sees in a subject's sources, without harmonizing them; None if it does not tell."""
        return None

    def features_table(self, features: Mapping[str, SourceFeatures]) -> tuple[list[str], list[list[str]]]:
        """Column names and rows of the `features` of one subject, by the contrast of the target."""
        raise InputError(f"{self.name} has no features of sources")

    def describe(self) -> dict[str, Any]:
        """All settings of the method that decide an output."""
        return {
            "name": self.name,
            "network_def": self.network,
            "inferer": self.inferer,
            **{part: getattr(self, part) for part in self.parts},
        }

    @property
    def _sentence(self) -> str:
        return f"{self.name} brings all scans to a middle ground"
