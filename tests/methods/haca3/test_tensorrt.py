"""configs/inference_trt.json, which needs a GPU and TensorRT; without them it changes nothing."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

BUNDLE = Path(__file__).parents[3]


def parse(*overlays: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("inference.json", "method_haca3.json", *overlays)])
    parser["bundle_root"] = str(BUNDLE)
    return parser


def test_without_tensorrt_the_network_is_as_it_was():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    parser = parse("inference_trt.json")
    assert parser.get_parsed_content("network") is parser.get_parsed_content("network_def")
    assert not hasattr(parser.get_parsed_content("network").decoder, "_trt_compiler")


def test_with_tensorrt_slices_are_those_of_pytorch(tmp_path):
    if not torch.cuda.is_available() or find_spec("tensorrt") is None or find_spec("polygraphy") is None:
        pytest.skip("needs a GPU, tensorrt and polygraphy")
    image = torch.rand(2, 1, 224, 224, generator=torch.Generator().manual_seed(0)).cuda()
    found = []
    for overlays in ([], ["inference_trt.json"]):
        parser = parse(*overlays)
        parser["models_dir"] = str(tmp_path)
        for name in ("haca3_model.pt", "haca3_fusion.pt"):
            (tmp_path / name).write_bytes((BUNDLE / "models" / name).read_bytes())
        parser.get_parsed_content("weights").load()
        network = parser.get_parsed_content("network")
        with torch.inference_mode():
            logits = network.encode_anatomy(image)
            anatomy = torch.cat([logits[:, 0].softmax(1), image.expand(-1, 6, -1, -1)], dim=1)
            target = torch.tensor([[0.5, -1.0, 0.2, 0.0]]).cuda()
            found.append(network.decode(anatomy, target.expand(2, -1), torch.ones_like(image)))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-2)
