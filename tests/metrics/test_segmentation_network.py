import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from scripts.base.errors import InputError
from scripts.base.regions import REGIONS
from scripts.base.weights import save_weights
from scripts.images.grid import GRID_SHAPE
from scripts.metrics.segmentation_input import relative_window
from scripts.metrics.segmentation_network import NetworkSegmenter, box_in_grid, expected_in, segmenter_network
from scripts.metrics.subvoxel_network import SubvoxelUNet, pack, unpack

BUNDLE = Path(__file__).parents[2]
# Of a person whom no training has drawn.
SEED = 4711
TINY = {"features": (2, 2, 2), "window": (64, 64, 64), "box": (64, 80, 64)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    network = segmenter_network(TINY["features"])
    path = tmp_path_factory.mktemp("weights") / "segmenter.pt"
    save_weights(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1, GRID_SHAPE).astype(np.float32)


def test_voxels_come_back_from_where_they_were_packed():
    image = torch.rand(1, 1, 4, 6, 8)
    packed = pack(image, torch.full((1, 3, 2, 3, 4), 7.0))
    assert packed.shape == (1, 11, 2, 3, 4) and (packed[:, 8:] == 7).all()
    assert torch.equal(unpack(packed[:, :8]), image)


def test_a_window_is_relative_to_its_own_peak_and_may_be_empty():
    window = np.arange(102, dtype=np.float32).reshape(2, 51)
    # The 99th percentile of 1 to 101 is 100.
    np.testing.assert_allclose(relative_window(window), window / 100, rtol=1e-6)
    assert relative_window(1000 * (window == 101) + (window > 0)).max() == 2
    assert not relative_window(np.zeros((3, 3), np.float32)).any()


@pytest.fixture(scope="module")
def mixture() -> tuple[SubvoxelUNet, torch.Tensor]:
    """A network, and shares (1, 3, 8, 8, 8) of fluid, gray and white matter."""
    shares = torch.rand(1, 3, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    network = SubvoxelUNet(2, 3, fluid=[0], grey=[1], white=[2], features=[2, 2, 2])
    return network, 30 * shares / shares.sum(dim=1, keepdim=True)


def test_brightness_of_tissues_is_told_by_where_they_are_expected(mixture):
    network, shares = mixture
    levels = torch.tensor([0.2, 0.5, 0.9])
    image = (shares * levels[:, None, None, None]).sum(dim=1, keepdim=True).repeat(1, 8, 1, 1, 1)
    found = torch.stack(network._brightness(image, shares)).flatten()
    torch.testing.assert_close(found, levels, atol=1e-3, rtol=0)


def test_the_scale_leads_from_one_tissue_to_the_other(mixture):
    network, _ = mixture
    low, high = torch.tensor(0.4), torch.tensor(0.8)
    image = torch.tensor([0.4, 0.6, 0.8, 9.0])
    # Four times as far as white matter is the end.
    assert network._on_scale(image, low, high).tolist() == pytest.approx([-0.25, 0, 0.25, 1], abs=1e-6)
    assert network._on_scale(image, high, low).tolist() == pytest.approx([0.25, 0, -0.25, -1], abs=1e-6)
    alike = network._on_scale(torch.tensor([0.5, 0.515]), torch.tensor(0.5), torch.tensor(0.5))
    assert alike.tolist() == pytest.approx([0, 0.25], abs=1e-6)


def test_the_logits_do_not_depend_on_the_unit_of_the_image(mixture):
    network, shares = mixture
    levels = torch.tensor([0.2, 0.5, 0.9])[:, None, None, None]
    image = (shares / 30 * levels).sum(dim=1, keepdim=True) + 0.1 * torch.rand(1, 8, 8, 8, 8)
    few, many = (network.label_packed(torch.cat([unit * image, shares], dim=1)) for unit in (1, 5))
    torch.testing.assert_close(few, many, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(few, network.label_packed(torch.cat([image**2, shares], dim=1)), atol=1e-2)


def test_the_voxelwise_part_sees_each_voxel_alone(mixture, monkeypatch):
    network, _ = mixture
    monkeypatch.setattr(network.net, "forward", lambda packed: 0.0)
    prior = torch.full((1, 3, 4, 4, 4), 0.3)
    image = torch.randint(0, 3, (1, 1, 8, 8, 8), generator=torch.Generator().manual_seed(4)) / 2
    logits = network(image, prior)
    levels = [logits.movedim(1, -1)[image[:, 0] == level] for level in (0, 0.5, 1)]
    for alike in levels:
        torch.testing.assert_close(alike, alike[:1].expand_as(alike))
    assert not torch.allclose(levels[0][0], levels[2][0])


def test_labels_are_of_regions_and_lie_in_the_box(weights, image):
    segmenter = NetworkSegmenter(weights, **TINY)
    labels = segmenter(image)
    assert labels.shape == GRID_SHAPE and labels.dtype == np.uint8
    assert 0 < labels.max() <= len(REGIONS)
    inside = np.zeros(GRID_SHAPE, bool)
    inside[box_in_grid((96, 116, 84), (64, 80, 64))] = True
    assert not labels[~inside].any()
    # The unit of an image does not matter, and workers get a copy of the segmenter.
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(segmenter))(700 * image), labels)


def test_sulcal_fluid_has_a_label_where_it_is_asked_for(weights, image):
    plain, with_fluid = (NetworkSegmenter(weights, sulcal_fluid=asked, **TINY)(image) for asked in (False, True))
    fluid = with_fluid == len(REGIONS) + 1
    assert fluid.any()
    np.testing.assert_array_equal(np.where(fluid, 0, with_fluid), plain)


def test_a_box_starts_evenly_and_stays_in_the_grid():
    assert [side.start for side in box_in_grid((97, 116, 84), (96, 96, 96))] == [48, 68, 36]
    assert [side.start for side in box_in_grid((0, 220, 84), (96, 96, 96))] == [0, 128, 36]


def test_the_prior_of_a_box_is_cut_from_that_of_the_grid():
    whole = expected_in(tuple(slice(0, side) for side in GRID_SHAPE))
    cut = expected_in((slice(80, 112), slice(100, 140), slice(60, 100)))
    assert torch.equal(cut, whole[:, 40:56, 50:70, 30:50])


def test_weights_that_cannot_serve_are_refused(weights, tmp_path):
    with pytest.raises(InputError, match="nothing.pt does not exist; train it with configs.train_segmenter.json"):
        NetworkSegmenter(tmp_path / "nothing.pt")
    with pytest.raises(InputError, match="holds another network"):
        NetworkSegmenter(weights)
    damaged = tmp_path / "segmenter.pt"
    damaged.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(InputError, match="weights file .*segmenter.pt"):
        NetworkSegmenter(damaged, **TINY)
    # Another file than the one that the card beside it tells of.
    damaged.write_bytes(weights.read_bytes())
    (tmp_path / "model.json").write_text(json.dumps({"files": {"segmenter.pt": {"sha256": "0" * 64}}}))
    with pytest.raises(InputError, match="must have the SHA-256 that .*model.json gives"):
        NetworkSegmenter(damaged, **{**TINY, "features": [2] * 3})


@pytest.mark.parametrize("box", [(64, 80, 63), (32, 80, 64), (64, 80, 200)])
def test_boxes_that_do_not_fit_are_refused(weights, box):
    with pytest.raises(InputError, match="`box` must have even sides from"):
        NetworkSegmenter(weights, **{**TINY, "box": box})


def test_images_that_cannot_be_segmented_are_refused(weights):
    with pytest.raises(InputError, match=r"shape \(192, 224, 192\) of the working grid, got \(4, 4, 4\)"):
        NetworkSegmenter(weights, **TINY)(np.ones((4, 4, 4), np.float32))


def test_the_overlay_puts_the_network_in_both_places_of_an_evaluation(weights):
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / f"evaluate{part}.json") for part in ("", "_network_segmenter")])
    parser["bundle_root"] = str(BUNDLE)
    assert parser.get_parsed_content("segmenter").weights == str(BUNDLE / "models" / "segmenter.pt")
    for place in ("segmenter", "pair_measures#tissues#segment"):
        parser[place].update({"weights": str(weights), **TINY})
    parser.parse(reset=True)
    assert parser.get_parsed_content("segmenter") == NetworkSegmenter(str(weights), **TINY)
    tissues = parser.get_parsed_content("pair_measures#tissues")
    assert tissues.segment == NetworkSegmenter(str(weights), sulcal_fluid=True, **TINY)
    assert tissues.tissues["CSF"] == ["ventricles", "sulcal_fluid"]
