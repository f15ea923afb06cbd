import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from scripts.base.errors import InputError
from scripts.base.regions import REGIONS
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.mni152 import load_template
from scripts.images.volumes import read_volume
from scripts.metrics.segmentation import TissueSegmenter
from scripts.metrics.segmentation_atlas import STRUCTURES, build_atlas
from scripts.metrics.segmentation_bundle import MonaiBundleSegmenter
from scripts.metrics.segmentation_mixture import OUTSIDE, Mixture, gain_basis
from scripts.metrics.segmentation_warp import Warp

# Plausible sizes in the template, which is larger than most people, in ml.
PLAUSIBLE_ML = {
    "ventricles": (15, 40),
    "cerebellar_gm": (90, 160),
    "cerebrum_gm": (500, 800),
    "caudate": (6, 11),
    "thalamus": (11, 18),
    "putamen": (8, 13),
    "brainstem": (20, 38),
    "cerebellar_wm": (20, 45),
    "cerebral_wm": (400, 680),
}


def millilitres(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=10)[1:] / 1000


def grid_centre() -> torch.Tensor:
    """The point between the middle voxels."""
    return (torch.tensor([GRID_SHAPE], dtype=torch.float32) - 1) / 2


@pytest.fixture(scope="module")
def segmenter() -> TissueSegmenter:
    return TissueSegmenter(voxel_mm=2)


@pytest.fixture(scope="module")
def template_labels(segmenter: TissueSegmenter) -> np.ndarray:
    return segmenter(load_template().t1w)


def test_the_template_gets_plausible_volumes(template_labels: np.ndarray) -> None:
    assert template_labels.shape == GRID_SHAPE and template_labels.dtype == np.uint8
    for name, volume in zip(REGIONS, millilitres(template_labels), strict=True):
        low, high = PLAUSIBLE_ML[name]
        assert low < volume < high, name


def test_a_smaller_brain_of_inverted_contrast_with_a_gain_field_gets_smaller_volumes(
    segmenter: TissueSegmenter, template_labels: np.ndarray
) -> None:
    scale, centre = 1.1, np.array(GRID_SHAPE) / 2
    template = load_template()
    small = affine_transform(template.t1w, np.full(3, scale), centre * (1 - scale), order=1)
    brain = affine_transform(template.brain, np.full(3, scale), centre * (1 - scale), order=0) > 0
    gain = np.linspace(0.8, 1.2, GRID_SHAPE[1], dtype=np.float32)[:, None]
    ratio = millilitres(segmenter(500 * gain * (1.2 - small) * brain)) / millilitres(template_labels)
    print("RATIO", ratio * scale**3)
    np.testing.assert_allclose(ratio, scale**-3, rtol=0.15)
    assert abs(np.median(ratio) / scale**-3 - 1) < 0.03


def test_the_same_image_gets_the_same_labels() -> None:
    coarse = TissueSegmenter(voxel_mm=8, fit_voxel_mm=8, rounds=1)
    np.testing.assert_array_equal(coarse(load_template().t1w), coarse(load_template().t1w))


def test_real_brains_get_plausible_volumes(real_data: Path, segmenter: TissueSegmenter) -> None:
    image, affine = read_volume(real_data / "mni" / "sub-ms07_space-MNI152_desc-brain_T1w.nii.gz")
    to_file = np.linalg.inv(affine) @ GRID_AFFINE
    on_grid = affine_transform(image, to_file[:3, :3], to_file[:3, 3], output_shape=GRID_SHAPE, order=1)
    volumes = dict(zip(REGIONS, millilitres(segmenter(on_grid)), strict=True))
    # A young adult, smaller than the template.
    assert 8 < volumes["ventricles"] < 20
    assert 350 < volumes["cerebrum_gm"] < 500
    assert 350 < volumes["cerebral_wm"] < 450
    assert 15 < volumes["brainstem"] < 26


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.ones((4, 4, 4)), r"shape \(192, 224, 192\) of the working grid, got \(4, 4, 4\)"),
        (np.ones(GRID_SHAPE, dtype=np.float32), "its positive values are all alike"),
        (np.zeros(GRID_SHAPE, dtype=np.float32), "its positive values are all alike"),
        (np.full(GRID_SHAPE, np.nan, dtype=np.float32), "must be finite, 8257536 voxels are not"),
    ],
)
def test_images_that_cannot_be_segmented_are_refused(segmenter: TissueSegmenter, image: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        segmenter(image)


def test_fluid_outside_the_ventricles_has_a_label_where_it_is_asked_for() -> None:
    coarse = {"voxel_mm": 8, "fit_voxel_mm": 8, "rounds": 1}
    template = load_template()
    plain, with_fluid = (TissueSegmenter(**coarse, sulcal_fluid=asked)(template.t1w) for asked in (False, True))
    fluid = with_fluid == len(REGIONS) + 1
    np.testing.assert_array_equal(np.where(fluid, 0, with_fluid), plain)
    # Blocks of 8 mm hold much else.
    grey, white = (template.fluid[plain == REGIONS.index(name) + 1] for name in ("cerebrum_gm", "cerebral_wm"))
    assert template.fluid[fluid].mean() > 1.5 * max(grey.mean(), white.mean())


def test_spacings_that_do_not_fill_the_grid_are_refused() -> None:
    with pytest.raises(InputError, match="`fit_voxel_mm` must be 1, 2, 4 or 8, got 3"):
        TissueSegmenter(fit_voxel_mm=3)
    with pytest.raises(InputError, match="`mask_voxel_mm` must be at least `atlas_voxel_mm` = 2, got 1"):
        TissueSegmenter(mask_voxel_mm=1)


@pytest.mark.parametrize(
    ("position", "structure"),
    [
        ((12, 14, 8), "caudate"),
        ((-26, 4, 2), "putamen"),
        ((10, -20, 8), "thalamus"),
        ((0, -24, -32), "brainstem"),
        ((-35, -65, -30), "cerebellar_gm"),
        ((-18, -56, -36), "cerebellar_wm"),
        ((26, -30, 30), "cerebral_wm"),
        ((5, 12, 8), "ventricles"),
        ((0, -40, -4), "sulcal_fluid"),
        ((80, 60, 60), "outside"),
    ],
)
def test_the_atlas_expects_structures_where_they_are(position: tuple[int, int, int], structure: str) -> None:
    priors = build_atlas(2, 1.0, 0.5, 0.02)
    voxel = (np.linalg.inv(GRID_AFFINE) @ (*position, 1))[:3] / 2
    here = priors[(slice(None), *voxel.astype(int))]
    assert STRUCTURES[here.argmax()] == structure
    assert here.sum() == pytest.approx(1, abs=1e-5)


def test_the_gain_basis_is_one_and_odd_terms_vanish_at_the_centre() -> None:
    basis = gain_basis(grid_centre(), order=2)
    # 1, then P2 = -1/2 along each axis; x, y, z and their products are 0.
    assert basis.shape == (1, 10)
    assert sorted(basis[0].tolist()) == pytest.approx([-0.5] * 3 + [0.0] * 6 + [1.0])


def test_the_mixture_finds_means_and_pooled_variances() -> None:
    mixture = Mixture(
        gain_order=0, outside_density=0.3, dark_density=1e-3, variance_pull=0.5, least_sd=0.0, whole_head=False
    )
    values = torch.tensor([0.3, 0.5, 0.8, 0.8])
    posterior = torch.zeros(len(STRUCTURES), 4)
    grey, white = STRUCTURES.index("cerebrum_gm"), STRUCTURES.index("cerebral_wm")
    posterior[grey, :2] = posterior[white, 2:] = 1
    mixture.update(values, torch.ones(4, 1), posterior)
    assert mixture.means[[grey, white]].tolist() == pytest.approx([0.4, 0.8], rel=1e-3)
    # Grey 2 points of variance .01, white 2 of 0, pooled .005 with the weight of 2 points: (.02 + .01) / 4, .01 / 4.
    assert mixture.variances[[grey, white]].tolist() == pytest.approx([0.0075, 0.0025], rel=1e-3)
    dark = torch.tensor([True, False, False, False])
    density = mixture.likelihood(values, torch.ones(4, 1), dark)
    assert density[white, 2].item() == pytest.approx(1 / np.sqrt(2 * np.pi * 0.0025), rel=1e-2)
    assert density[OUTSIDE].tolist() == pytest.approx([1.0, 0.3, 0.3, 0.3])
    assert density[[grey, white], 0].tolist() == pytest.approx([1e-3, 1e-3])


def test_the_warp_starts_as_identity_and_its_roughness_is_the_squared_slope() -> None:
    warp = Warp()
    warp.add_level(16.0)
    torch.testing.assert_close(warp(grid_centre()), grid_centre())
    # Displacement along x grows by 0.8 mm per 16 mm node along y: squared slope 0.05^2.
    warp.levels[0][0] = 0.8 * torch.arange(14.0)[None, :, None]
    assert warp.roughness().item() == pytest.approx(0.0025, rel=1e-4)
    assert (warp(grid_centre()) - grid_centre())[0].tolist() == pytest.approx([0.8 * 6.5, 0, 0], abs=1e-4)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose network calls label 1 what is brighter than 0.5, on 4 mm voxels in another orientation."""
    network = torch.nn.Conv3d(1, 2, kernel_size=1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1, 1))
        network.bias.copy_(torch.tensor([0.5, 0.0]))
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    torch.save(network.state_dict(), tmp_path / "models" / "model.pt")
    config = {
        "imports": ["$import torch"],
        "bundle_root": "/elsewhere",
        "channels": 2,
        "network_def": "$torch.nn.Conv3d(1, @channels, 1)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": None},
                {"_target_": "Spacingd", "keys": "image", "pixdim": [4, 4, 4], "mode": "nearest"},
            ],
        },
        "inferer": {"_target_": "SimpleInferer"},
    }
    (tmp_path / "configs" / "inference.json").write_text(json.dumps(config))
    return tmp_path


def test_a_monai_bundle_segments_on_the_working_grid(bundle: Path) -> None:
    image = np.zeros(GRID_SHAPE, dtype=np.float32)
    image[20:60, 100:180, 40:72] = 1
    labels = MonaiBundleSegmenter(bundle, {"thalamus": [1]})(image)
    assert labels.dtype == np.uint8 and set(np.unique(labels)) == {0, REGIONS.index("thalamus") + 1}
    wrong = (labels > 0) != (image > 0)
    # Four-millimetre voxels may shift a face by half a voxel, no more.
    wrong[18:62, 98:182, 38:74] = False
    assert not wrong.any() and labels[22:58, 102:178, 42:70].all()


def test_a_bundle_that_cannot_serve_is_refused(bundle: Path) -> None:
    with pytest.raises(InputError, match="`label_map` must name regions out of ventricles, .*, got hippocampus"):
        MonaiBundleSegmenter(bundle, {"hippocampus": [1]})
    with pytest.raises(InputError, match="needs the file .*other.pt, which does not exist"):
        MonaiBundleSegmenter(bundle, {"thalamus": [1]}, weights="models/other.pt")
    (bundle / "configs" / "inference.json").write_text('{"network_def": {"_target_": "UNet"}}')
    with pytest.raises(InputError, match="must define preprocessing, inferer"):
        MonaiBundleSegmenter(bundle, {"thalamus": [1]})
