from hashlib import sha256

import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.haca3.perceptual import VggFeatures, load_extractor

SMALL = (2, 4)


def test_default_layers_are_called_and_shaped_as_in_vgg16():
    with torch.device("meta"):
        state = VggFeatures("none").state_dict()
    layers = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256)}
    shapes = {f"features.{layer}.weight": (*channels, 3, 3) for layer, channels in layers.items()}
    shapes |= {f"features.{layer}.bias": channels[:1] for layer, channels in layers.items()}
    assert {name: tuple(value.shape) for name, value in state.items()} == shapes


def test_features_are_at_a_quarter_of_the_resolution_and_leave_without_activation():
    features = load_extractor(widths=(2, 3, 5))(torch.rand(2, 1, 16, 24))
    assert features.shape == (2, 5, 4, 6)
    assert (features < 0).any()


def test_a_grey_image_is_three_equal_channels_scaled_as_photographs_are():
    extractor = VggFeatures("none", widths=(1,))
    with torch.no_grad():
        for parameter in extractor.parameters():
            parameter.zero_()
        extractor.features[0].weight[0, :, 1, 1] = torch.tensor([1.0, 10.0, 100.0])
        extractor.features[2].weight[0, 0, 1, 1] = 1
        feature = extractor(torch.ones(1, 1, 3, 3))[0, 0, 1, 1]
    assert feature.item() == pytest.approx(0.515 / 0.229 + 10 * 0.544 / 0.224 + 100 * 0.594 / 0.225, rel=1e-5)


def test_random_weights_are_those_of_the_seed_and_the_name_says_so():
    image = torch.rand(1, 1, 8, 8)
    features = [load_extractor("random", seed, SMALL)(image) for seed in (1, 1, 2)]
    assert torch.equal(features[0], features[1])
    assert not torch.equal(features[0], features[2])
    assert load_extractor("random", 1, SMALL).name == "random weights, widths (2, 4), seed 1"


def test_extractor_is_frozen_and_lets_gradients_through():
    extractor = load_extractor(widths=SMALL)
    image = torch.rand(1, 1, 8, 8, requires_grad=True)
    extractor(image).sum().backward()
    assert image.grad.any()
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


def test_weights_are_read_from_a_state_dict_and_further_layers_left_out(tmp_path):
    stored = load_extractor("random", 3, SMALL)
    path = tmp_path / "vgg.pt"
    torch.save(stored.state_dict() | {"classifier.0.weight": torch.ones(2)}, path)
    extractor = load_extractor(path, widths=SMALL)
    image = torch.rand(1, 1, 8, 8)
    assert torch.equal(extractor(image), stored(image))
    assert extractor.name == f"vgg.pt, SHA-256 {sha256(path.read_bytes()).hexdigest()}"
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


def test_file_of_another_network_is_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save(load_extractor(widths=(2, 5)).state_dict(), path)
    with pytest.raises(
        InputError, match=r"other.pt holds another network: .*features.5.weight \(5, 2, 3, 3\), must be"
    ):
        load_extractor(path, widths=SMALL)
    torch.save([torch.ones(1)], path)
    with pytest.raises(InputError, match="other.pt holds another network: parameters missing: 8 "):
        load_extractor(path, widths=SMALL)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere.pt does not exist"):
        load_extractor(tmp_path / "nowhere.pt")
