"""The harmonizer as an ONNX model that takes its target as an input.

What `python -m monai.bundle onnx_export` writes has one input, the image, and so no other target than the default.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.whole_file import refuse_full_or_read_only, whole_file
from ..harmonize.model_weights import ModelWeights
from ..methods.haca3.network import Haca3
from ..methods.haca3plus.network import HarmonizationNet

INPUTS, OUTPUT = ("image", "target", "available"), "pred"
PLUS_INPUTS = ("image", "target", "sources", "available")
SIDE = 224


class OnnxExport:
    """Writes `network`, filled with its `weights`, to `path`.

    Inputs are `image` (B, 4, H, W), `target` (B, D), the code of the target, and `available` (B, 4); beside them the
    default network takes `sources` (B, 4, D), the codes of the sources. `pred` (B, 1, H, W) comes out.
    """

    def __init__(self, network: Haca3 | HarmonizationNet, weights: ModelWeights, path: str) -> None:
        self.network = network
        self.weights = weights
        self.path = Path(str(path))

    def run(self) -> str:
        """Write, and return where."""
        self.weights.load()
        network = self.network.eval().cpu()
        inputs, example = _example(network)
        batch = torch.export.Dim("batch", min=1)
        with refuse_full_or_read_only(self.path), whole_file(self.path) as partial, warnings.catch_warnings():
            # The exporter warns of itself.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                example,
                str(partial),
                input_names=inputs,
                output_names=(OUTPUT,),
                dynamic_shapes=tuple({0: batch} for _ in inputs),
                external_data=False,
                verbose=False,
            )
        return f"{self.path} ({self.path.stat().st_size} bytes)"


def _example(network: Haca3 | HarmonizationNet) -> tuple[tuple[str, ...], tuple[Tensor, ...]]:
    """Names of inputs, and inputs as they may be; a batch of one would be taken for a constant."""
    target, available = network.default_target.repeat(2, 1), torch.ones(2, len(CONTRASTS))
    if isinstance(network, HarmonizationNet):
        image = torch.rand(2, len(CONTRASTS), SIDE, SIDE)
        return PLUS_INPUTS, (image, target, target.unsqueeze(1).repeat(1, len(CONTRASTS), 1), available)
    image = torch.rand(2, len(CONTRASTS), network.field_of_view, network.field_of_view)
    return INPUTS, (image, target, available)
