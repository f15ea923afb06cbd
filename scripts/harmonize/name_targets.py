"""Makes named targets: the codes of reference scanners, each the mean over the people who were scanned there."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.progress import Progress
from ..base.text_files import write_json
from ..images.bids_cohort import read_cohort
from ..jobs.targets import read_named_targets
from ..methods.base import Code
from .model_weights import ModelWeights
from .targets import TargetPreparation


@dataclass(frozen=True)
class NamedTargetsMaker:
    """Encodes every image of a cohort as a target and writes the mean code of each scanner and contrast to `file`.

    A target is named after its scanner and `suffix`. `heads` says whether the images show whole heads or brains alone;
    without it each image is judged by its volume, and the largest of brains may be taken for a head. Other names that
    the file holds stay, if they are of the same weights.
    """

    cohort_dir: str
    file: str
    preparation: TargetPreparation
    weights: ModelWeights
    suffix: str = ""
    heads: bool | None = None

    def run(self) -> str:
        """Encode, write, and return what was written."""
        if not self.cohort_dir:
            raise InputError(
                "`dataset_dir` must be the folder of a cohort, such as --dataset_dir output/targets/cohort"
            )
        if not isinstance(self.file, str | Path):
            raise InputError(
                "`named_targets` must be a file to write to, this method knows its targets by name already; give "
                "--named_targets targets.json"
            )
        if not self.preparation.method.can.stored_codes:
            name = self.preparation.method.name
            raise InputError(f"named targets need a method whose codes can be kept, as HACA3's; this is {name}")
        images = read_cohort(self.cohort_dir)
        self.weights.load()
        prepared: dict[str, dict[str, list[Code]]] = defaultdict(lambda: defaultdict(list))
        progress = Progress("encode, images", len(images))
        for image in images:
            target = self.preparation(image.path, image.contrast, CONTRASTS)
            prepared[image.scanner][image.contrast].append(target.code)
            progress.step()
        named = {
            scanner + self.suffix: {c: self._mean(of_contrast[c]) for c in CONTRASTS if c in of_contrast}
            for scanner, of_contrast in prepared.items()
        }
        write_json(self.file, self._of_the_same_weights() | named)
        read_named_targets(self.file)
        return f"{self.file}: {', '.join(named)}"

    def _of_the_same_weights(self) -> dict[str, Any]:
        path = Path(self.file)
        there: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        made_by = self.weights.code_maker
        return {name: codes for name, codes in there.items() if all(c["weights"] == made_by for c in codes.values())}

    def _mean(self, codes: list[Code]) -> dict[str, Any]:
        origin = f"mean of {len(codes)} images"
        code = type(codes[0]).mean(codes, origin=origin, weights=self.weights.code_maker)
        found = {key: value for key, value in code.to_json().items() if key != "contrast"}
        return found if self.heads is None else {**found, "head": self.heads}
