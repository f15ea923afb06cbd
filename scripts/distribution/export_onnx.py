"""The harmonizer as an ONNX model that takes its target as an input.

What `python -m monai.bundle onnx_export` writes has one input, the image, and so no other target than the default.
"""

import warnings
from pathlib import Path

import torch

from ..base.contrasts import CONTRASTS
from ..base.whole_file import refuse_full_or_read_only, whole_file
from ..harmonize.model_weights import ModelWeights
from ..methods.haca3.network import Haca3

INPUTS, OUTPUT = ("image", "target", "available"), "pred"


class OnnxExport:
    """Writes `network`, filled with its `weights`, to `path`.

    Inputs are `image` (B, 4, H, W), `target` (B, theta + eta) and `available` (B, 4); `pred` (B, 1, H, W) comes out.
    """

    def __init__(self, network: Haca3, weights: ModelWeights, path: str) -> None:
        self.network = network
        self.weights = weights
        self.path = Path(str(path))

    def run(self) -> str:
        """Write, and return where."""
        self.weights.load()
        network = self.network.eval().cpu()
        # A batch of one would be taken for a constant.
        image = torch.rand(2, len(CONTRASTS), network.field_of_view, network.field_of_view)
        example = (image, network.default_target.repeat(2, 1), torch.ones(2, len(CONTRASTS)))
        batch = torch.export.Dim("batch", min=1)
        with refuse_full_or_read_only(self.path), whole_file(self.path) as partial, warnings.catch_warnings():
            # The exporter warns of itself.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                example,
                str(partial),
                input_names=INPUTS,
                output_names=(OUTPUT,),
                dynamic_shapes=tuple({0: batch} for _ in INPUTS),
                external_data=False,
                verbose=False,
            )
        return f"{self.path} ({self.path.stat().st_size} bytes)"
