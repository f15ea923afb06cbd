"""The default network as an ONNX model, narrow and with random weights; tests/bench has HACA3's with its own."""

import onnxruntime
import torch

from scripts.distribution.export_onnx import PLUS_INPUTS, SIDE, OnnxExport
from scripts.harmonize.model_weights import ModelWeights

from ..methods.haca3plus.tiny import tiny_codes, tiny_network


def test_the_exported_model_gives_what_the_network_gives_for_any_target_and_sources(tmp_path):
    network = tiny_network(learned=True)
    OnnxExport(network, ModelWeights(), str(tmp_path / "model.onnx")).run()
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert [given.name for given in session.get_inputs()] == [*PLUS_INPUTS]
    for batch in (1, 3):
        image = torch.rand(batch, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(batch))
        image[:, :, :60] = 0
        image[:, 1] = 0
        sources, available = tiny_codes(network, image), torch.tensor([[1.0, 0, 1, 1]]).repeat(batch, 1)
        given = (image, sources[:, 2].roll(1, 0) * 1.1, sources, available)
        with torch.inference_mode():
            expected = network(*given)
            exact = network.double()(*(tensor.double() for tensor in given)).float()
            network.float()
        arrays = {name: tensor.numpy() for name, tensor in zip(PLUS_INPUTS, given, strict=True)}
        # Both beside double precision, so that a failure tells which of the two is wrong.
        torch.testing.assert_close(expected, exact, atol=1e-4, rtol=0)
        # Often, since threads that write to one place do harm only now and then.
        for _ in range(10 * batch):
            (exported,) = session.run(None, arrays)
            torch.testing.assert_close(torch.from_numpy(exported), exact, atol=1e-4, rtol=0)
