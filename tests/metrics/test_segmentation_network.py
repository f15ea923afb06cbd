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
from scripts.metrics.segmentation_atlas import STRUCTURES
from scripts.metrics.segmentation_input import relative_window
from scripts.metrics.segmentation_network import CLASSES, NetworkSegmenter, box_in_grid, expected_in
from scripts.metrics.subvoxel_network import SubvoxelUNet, pack, unpack

BUNDLE = Path(__file__).parents[2]
TINY = {"features": (2, 2, 2, 2, 2, 2), "window": (64, 64, 64), "box": (64, 80, 64)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    network = SubvoxelUNet(CLASSES, len(STRUCTURES), TINY["features"])
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
    with pytest.raises(InputError, match="nothing.pt does not exist; get the bundle's `models` folder, or train it"):
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
        NetworkSegmenter(damaged, **{**TINY, "features": [2] * 6})


@pytest.mark.parametrize("box", [(64, 80, 63), (32, 80, 64), (64, 80, 200)])
def test_boxes_that_do_not_fit_are_refused(weights, box):
    with pytest.raises(InputError, match="`box` must have even sides from"):
        NetworkSegmenter(weights, **{**TINY, "box": box})


def test_images_that_cannot_be_segmented_are_refused(weights):
    with pytest.raises(InputError, match=r"shape \(192, 224, 192\) of the working grid, got \(4, 4, 4\)"):
        NetworkSegmenter(weights, **TINY)(np.ones((4, 4, 4), np.float32))


def test_the_overlay_puts_the_network_in_both_places_of_an_evaluation():
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / f"evaluate{part}.json") for part in ("", "_network_segmenter")])
    parser["bundle_root"] = str(BUNDLE)
    weights = f"{BUNDLE}/models/segmenter.pt"
    assert parser.get_parsed_content("segmenter") == NetworkSegmenter(weights)
    tissues = parser.get_parsed_content("pair_measures#tissues")
    assert tissues.segment == NetworkSegmenter(weights, sulcal_fluid=True)
    assert tissues.tissues["CSF"] == ["ventricles", "sulcal_fluid"]
