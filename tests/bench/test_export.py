import onnxruntime
import pytest
import torch

from scripts.bench.export import compare, onnx_way, shipped_network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    network, weights = shipped_network()
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return network, onnx_way(network, weights, file), file


@pytest.mark.slow
def test_the_exported_model_gives_what_the_network_gives_for_any_target_and_batch(exported):
    network, way, _ = exported
    generator = torch.Generator().manual_seed(1)
    for batch in (1, 3):
        image = torch.rand(batch, 4, 224, 224, generator=generator)
        image[:, 1] = 0
        target, available = torch.randn(batch, 4, generator=generator), torch.tensor([[1.0, 0, 1, 1]]).repeat(batch, 1)
        with torch.inference_mode():
            expected = network(image, target, available)
        torch.testing.assert_close(way(image, target, available), expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_exported_model_says_what_it_takes(exported):
    _, _, file = exported
    session = onnxruntime.InferenceSession(str(file))
    assert {given.name: given.shape[1:] for given in session.get_inputs()} == {
        "image": [4, 224, 224],
        "target": [4],
        "available": [4],
    }
    assert [given.name for given in session.get_outputs()] == ["pred"]
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]


def test_a_table_compares_with_the_first_way():
    ways = {"one": lambda image, target, available: image, "other": lambda image, target, available: image + 0.5}
    assert [(name, error) for name, _, error in compare(ways, 8, repeats=1)] == [
        ("one", "0.0e+00"),
        ("other", "5.0e-01"),
    ]
