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
from ..images.cohort import read_cohort
from ..jobs.targets import code_content, read_named_targets
from ..methods.haca3.network import Haca3
from .model_weights import ModelWeights
from .targets import PreparedTarget, TargetPreparation, mean_code


@dataclass(frozen=True)
class NamedTargetsMaker:
    """Encodes every image of a cohort as a target and writes the mean code of each scanner and contrast to `file`.

    A target is named after its scanner and `suffix`. Other names that the file holds stay, if they are of the same
    weights.
    """

    cohort_dir: str
    file: str
    network: Haca3
    preparation: TargetPreparation
    weights: ModelWeights
    suffix: str = ""

    def run(self) -> str:
        """Encode, write, and return what was written."""
        if not self.cohort_dir:
            raise InputError(
                "`dataset_dir` must be the folder of a cohort, such as --dataset_dir output/targets/cohort"
            )
        images = read_cohort(self.cohort_dir)
        self.weights.load()
        prepared: dict[str, dict[str, list[PreparedTarget]]] = defaultdict(lambda: defaultdict(list))
        progress = Progress("encode, images", len(images))
        for image in images:
            prepared[image.scanner][image.contrast].append(self.preparation(image.path, image.contrast, CONTRASTS))
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

    def _mean(self, targets: list[PreparedTarget]) -> dict[str, Any]:
        code = mean_code(targets, self.network.theta, f"mean of {len(targets)} images", self.weights.code_maker)
        return {key: value for key, value in code_content(code).items() if key != "contrast"}
