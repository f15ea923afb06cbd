"""Compares exports of the harmonizer with PyTorch and writes their table: `python -m scripts.bench.export`.

One slice of four sources at a time, with the weights that ship.
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import onnxruntime
import torch
from monai.bundle import ConfigParser
from torch import Tensor

from ..base.markdown_table import markdown_table
from ..distribution.export_onnx import INPUTS, OnnxExport
from ..harmonize.model_weights import ModelWeights
from ..methods.haca3.network import Haca3
from .performance import BUNDLE, describe_machine, write_section

Way = Callable[[Tensor, Tensor, Tensor], Tensor]


def shipped_network() -> tuple[Haca3, ModelWeights]:
    """HACA3's network with the weights that ship."""
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("inference.json", "method_haca3.json")])
    parser["bundle_root"] = str(BUNDLE)
    # That of HACA3 makes the exporter take the size of the example's batch for the only one.
    parser["network_def#attention#_target_"] = "scripts.methods.haca3.attention.ForegroundAttention"
    weights = parser.get_parsed_content("weights")
    weights.load()
    return parser.get_parsed_content("network_def"), weights


def onnx_way(network: Haca3, weights: ModelWeights, file: Path) -> Way:
    """Export to `file`, and run that."""
    OnnxExport(network, weights, str(file)).run()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options)

    def run(*inputs: Tensor) -> Tensor:
        arrays = {name: tensor.numpy() for name, tensor in zip(INPUTS, inputs, strict=True)}
        return torch.from_numpy(session.run(None, arrays)[0])

    return run


def compare(ways: dict[str, Way], field_of_view: int, repeats: int) -> list[tuple[str, str, str]]:
    """For each way the milliseconds that a slice takes, and how far it is from the first way at most."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 4, field_of_view, field_of_view, generator=generator)
    inputs = (image, torch.tensor([[0.5, -1.0, 0.2, 0.0]]), torch.ones(1, 4))
    rows, expected = [], None
    for name, way in ways.items():
        seconds = []
        # The first runs compile.
        for turn in range(repeats + 3):
            start = perf_counter()
            with torch.inference_mode():
                image = way(*inputs)
            if turn >= 3:
                seconds.append(perf_counter() - start)
        expected = image if expected is None else expected
        rows.append((name, f"{1000 * median(seconds):.0f}", f"{(image - expected).abs().max():.1e}"))
    return rows


def main() -> None:
    """Measure, and rewrite the section of docs/validation/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    network, weights = shipped_network()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # PyTorch would have its users leave TorchScript, which MONAI exports.
        warnings.simplefilter("ignore", DeprecationWarning)
        ways: dict[str, Way] = {
            "PyTorch": network,
            "TorchScript": torch.jit.script(network),
            "ONNX Runtime": onnx_way(network, weights, Path(folder) / "model.onnx"),
        }
        rows = compare(ways, network.field_of_view, options.repeats)
    table = markdown_table(["way", "ms a slice", "largest difference from PyTorch"], rows)
    write_section("\n".join(["### exports", "", f"{describe_machine()}; medians of {options.repeats}.", "", table]))


if __name__ == "__main__":
    main()
