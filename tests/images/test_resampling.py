from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from scripts.base.errors import InputError
from scripts.bench.known_motions import motion
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.nifti import NativeImage, read_image
from scripts.images.resampling import to_native_grid, to_working_grid

from .bumps import CENTER, MIDDLE, Grid, bumps, center_of_mass, correlation, turned, world_of

COINCIDING = {
    "working_grid_itself": Grid(shape=GRID_SHAPE),
    "larger": Grid(shape=(256, 256, 256)),
    "limited_field_of_view": Grid(shape=(90, 100, 80)),
    "ras": Grid(axes="RAS"),
    "lpi": Grid(axes="LPI"),
    "psr": Grid(axes="PSR", shape=(140, 96, 110)),
    "ipr": Grid(axes="IPR", shape=(140, 96, 110)),
    "4d": Grid(four_dimensions=True),
    "int16_with_slope": Grid(dtype=np.int16),
}
OTHERS = {
    "0.8_mm": Grid(size=(0.8, 0.8, 0.8), shape=(150, 160, 140)),
    "2_mm": Grid(size=(2, 2, 2), shape=(64, 70, 60)),
    "thick_slices": Grid(size=(0.5, 0.5, 3), shape=(220, 220, 40), axes="PSR"),
    "half_a_voxel_off": Grid(shape=(101, 121, 100)),
    "oblique": Grid(turn=12),
    "oblique_thick_slices": Grid(size=(0.9, 0.9, 3), shape=(130, 130, 44), axes="LPS", turn=12),
}


@pytest.mark.parametrize("name", [*COINCIDING, *OTHERS])
def test_what_any_grid_shows_stays_where_it_is(tmp_path, name):
    grid = (COINCIDING | OTHERS)[name]
    image = grid.read(tmp_path)
    volume = to_working_grid(image)
    assert (volume.shape, volume.dtype) == (GRID_SHAPE, np.float32)
    np.testing.assert_allclose(center_of_mass(volume, GRID_AFFINE), CENTER, atol=0.1)
    result = to_native_grid(volume, image)
    assert (result.voxels.shape, result.voxels.dtype) == (grid.shape, np.float32)
    np.testing.assert_allclose(center_of_mass(result.voxels, grid.affine), CENTER, atol=0.1)
    assert correlation(result.voxels, image.voxels) > 0.99
    assert result.foreground_outside == 0
    if name in COINCIDING:
        inside = ~result.outside
        np.testing.assert_array_equal(result.voxels[inside], image.voxels[inside])
        np.testing.assert_allclose(volume, 1000 * bumps(GRID_AFFINE, GRID_SHAPE), atol=0.05)


def native(voxels: np.ndarray, affine: np.ndarray) -> NativeImage:
    header = nibabel.Nifti1Image(voxels, affine).header
    return NativeImage(Path("image.nii"), voxels.astype(np.float32), affine, header, "")


def random_native(shape: Sequence[int], affine: np.ndarray) -> NativeImage:
    return native(np.random.default_rng(0).random(shape, np.float32), affine)


def test_a_voxel_is_copied_to_the_working_voxel_of_the_same_place():
    voxels = np.zeros((30, 40, 50), np.float32)
    voxels[1, 2, 3] = 7
    # Axes P, S, R: voxel (1, 2, 3) lies at x = 3 + 10, y = -1 + 20, z = 2 - 30.
    affine = np.array([[0.0, 0, 1, 10], [-1, 0, 0, 20], [0, 1, 0, -30], [0, 0, 0, 1]])
    volume = to_working_grid(native(voxels, affine))
    # x = 96 - i, y = j - 132, z = k - 78.
    assert np.argwhere(volume).tolist() == [[96 - 13, 132 + 19, 78 - 28]]
    assert volume.max() == 7


@pytest.mark.parametrize(("shift", "copied"), [(0.0009, True), (-0.0009, True), (0.0011, False)])
def test_grids_coincide_within_a_thousandth_of_a_voxel(shift, copied):
    image = random_native((10, 11, 12), GRID_AFFINE + shift * np.eye(4, k=3))
    assert np.array_equal(to_working_grid(image)[:10, :11, :12], image.voxels) == copied


def test_the_tolerance_holds_over_the_whole_grid():
    affine = GRID_AFFINE.copy()
    affine[0, 0] = -1.00001  # 0.0019 voxels after 191 of them
    image = random_native((10, 11, 12), affine)
    assert not np.array_equal(to_working_grid(image)[:10, :11, :12], image.voxels)


def test_what_lies_outside_the_working_box_is_zero_and_counted():
    voxels = np.zeros((200, 224, 192), np.float32)
    voxels[2, 10, 10:13] = voxels[199, 10, 10] = voxels[100, 10, 10] = 5
    affine = GRID_AFFINE.copy()
    affine[0, 3] += 4  # voxels 0 to 3 lie before the box, 196 to 199 behind
    image = native(voxels, affine)
    result = to_native_grid(to_working_grid(image), image)
    assert np.unique(np.argwhere(result.outside)[:, 0]).tolist() == [0, 1, 2, 3, 196, 197, 198, 199]
    assert result.outside.sum() == 8 * 224 * 192
    assert result.foreground_outside == 4
    assert np.argwhere(result.voxels).tolist() == [[100, 10, 10]]


def test_an_image_beside_the_box_gives_an_empty_volume_and_result():
    for shift in (300.0, -300.0, 300.3):
        image = random_native((10, 11, 12), GRID_AFFINE + shift * np.eye(4, k=3))
        assert not to_working_grid(image).any()
        result = to_native_grid(np.ones(GRID_SHAPE, np.float32), image)
        assert result.outside.all() and not result.voxels.any()
        noise = 0.1 * np.percentile(image.voxels, 95)
        assert 0 < result.foreground_outside == np.count_nonzero(image.voxels > noise) < 10 * 11 * 12


def test_interpolation_keeps_a_constant_up_to_the_faces_of_the_image_and_nothing_beyond():
    # Voxels of 1.5 mm, the first centered on working voxel 20, so from -0.75 to 19 * 1.5 + 0.75 mm around it.
    affine = GRID_AFFINE @ np.diag([1.5, 1.5, 1.5, 1]) + 0
    affine[:3, 3] = GRID_AFFINE[:3, 3] + GRID_AFFINE[:3, :3] @ [20, 20, 20]
    volume = to_working_grid(native(np.full((20, 20, 20), 3.0), affine))
    # Working voxels 20 + k with -0.75 <= k < 29.25, so k = 0 ... 29.
    expected = np.zeros(GRID_SHAPE, np.float32)
    expected[20:50, 20:50, 20:50] = 3
    np.testing.assert_array_equal(volume, expected)


def test_interpolation_stays_within_the_range_of_the_image():
    voxels = np.where(np.indices((20, 20, 20)).sum(axis=0) % 4 < 2, 50.0, 200.0)
    volume = to_working_grid(native(voxels, GRID_AFFINE + 0.4 * np.eye(4, k=3)))
    inside = volume[1:19, :20, :20]
    assert (inside.min(), inside.max()) == (50, 200)
    assert volume[20:].max() == volume[:, 20:].max() == volume[:, :, 20:].max() == 0


def test_ringing_does_not_reach_into_a_background_of_zero():
    voxels = np.zeros((30, 30, 30))
    voxels[10:20, 10:20, 10:20] = 100
    image = native(voxels, GRID_AFFINE + 0.4 * np.eye(4, k=3))
    volume = to_working_grid(image)
    # Working voxel k shows place k + 0.4 along x, so that of 9 to 19 one neighbor at least is not 0.
    shown = np.argwhere(volume)
    assert (shown.min(axis=0).tolist(), shown.max(axis=0).tolist()) == ([9, 10, 10], [19, 19, 19])
    result = to_native_grid(volume, image)
    shown = np.argwhere(result.voxels)
    assert (shown.min(axis=0) >= [9, 10, 10]).all() and (shown.max(axis=0) <= [20, 19, 19]).all()
    assert (result.voxels[voxels > 0] > 0).all()


def test_interpolation_is_that_of_cubic_b_splines():
    image = random_native((24, 25, 26), GRID_AFFINE @ nibabel.affines.from_matvec(turned(20), [60, 70, 80]))
    volume = to_working_grid(image)
    points = np.random.default_rng(1).uniform(8, 16, (3, 200))
    places = np.rint(nibabel.affines.apply_affine(np.linalg.inv(GRID_AFFINE) @ image.affine, points.T)).astype(int)
    back = nibabel.affines.apply_affine(np.linalg.inv(image.affine) @ GRID_AFFINE, places).T
    expected = map_coordinates(image.voxels.astype(float), back, order=3, mode="mirror").clip(0, image.voxels.max())
    np.testing.assert_allclose(volume[tuple(places.T)], expected, atol=5e-5)


def second_moment(volume: np.ndarray, axis: int) -> float:
    profile = volume.sum(axis=tuple({0, 1, 2} - {axis}), dtype=float)
    place = np.arange(profile.size)
    return float(np.average((place - np.average(place, weights=profile)) ** 2, weights=profile))


def test_finer_axes_are_blurred_to_what_a_working_voxel_sees():
    size = np.array([0.25, 0.5, 2])
    affine = nibabel.affines.from_matvec(np.diag(size), MIDDLE - size * (np.array([256, 128, 32]) - 1) / 2)
    world = world_of(affine, (256, 128, 32)) - MIDDLE[:, None, None, None]
    volume = to_working_grid(native(np.exp(-(world**2).sum(axis=0) / (2 * 5.0**2)), affine))
    # A Gaussian of variance 25 mm^2 gains (1 - size^2) / (8 ln 2) where voxels are smaller than 1 mm.
    expected = 25 + np.maximum(0, 1 - size**2) / (8 * np.log(2))
    np.testing.assert_allclose([second_moment(volume, axis) for axis in range(3)], expected, atol=0.01)


def test_stripes_finer_than_working_voxels_turn_grey_instead_of_aliasing():
    stripes = 100.0 + 100.0 * (np.arange(100) % 2)
    affine = nibabel.affines.from_matvec(np.diag([0.52, 1, 1]), [-25, -30, 10])
    volume = to_working_grid(native(np.broadcast_to(stripes[:, None, None], (100, 12, 12)).copy(), affine))
    seen = volume[:, 106, 92][volume[:, 106, 92] > 0]
    assert len(seen) == 52
    # A sampled Gaussian leaves 2 exp(-pi^2 / 2 * variance) of an alternating amplitude, which is 50 here, the variance
    # being (1 / 0.52^2 - 1) / (8 ln 2).
    assert np.abs(seen[4:-4] - 150).max() == pytest.approx(50 * 0.1813, rel=0.02)


def test_labels_keep_their_values():
    grid = Grid(size=(0.8, 0.8, 2), shape=(60, 60, 30), turn=12)
    labels = np.floor(np.linalg.norm(world_of(grid.affine, grid.shape) - MIDDLE[:, None, None, None], axis=0) / 7) * 17
    image = native(labels, grid.affine)
    volume = to_working_grid(image, order=0)
    assert set(np.unique(volume)) == set(np.unique(labels))
    result = to_native_grid(volume, image, order=0)
    assert set(np.unique(result.voxels)) <= set(np.unique(labels))
    assert (result.voxels == labels).mean() > 0.8


def test_other_orders_are_refused():
    with pytest.raises(InputError, match="`order` must be 0 or 3, got 1"):
        to_working_grid(random_native((10, 11, 12), GRID_AFFINE), order=1)


def test_registration_moves_the_image_and_the_way_back_undoes_it(tmp_path):
    image = Grid(size=(1, 1.2, 1.2), shape=(130, 110, 110)).read(tmp_path)
    to_mni = nibabel.affines.from_matvec(turned(9), [8, -5, 11])
    volume = to_working_grid(image, to_mni)
    np.testing.assert_allclose(
        center_of_mass(volume, GRID_AFFINE), nibabel.affines.apply_affine(to_mni, CENTER), atol=0.05
    )
    result = to_native_grid(volume, image, to_mni)
    np.testing.assert_allclose(center_of_mass(result.voxels, image.affine), CENTER, atol=0.05)
    assert correlation(result.voxels, image.voxels) > 0.999


def test_registration_by_whole_voxels_copies(tmp_path):
    image = Grid(shape=(96, 90, 80)).read(tmp_path)
    to_mni = nibabel.affines.from_matvec(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), [3, -7, 20])
    result = to_native_grid(to_working_grid(image, to_mni), image, to_mni)
    assert not result.outside.any()
    np.testing.assert_array_equal(result.voxels, image.voxels)


# Of scans whose voxels are nowhere finer than a working voxel by more than a tenth.
LEAST_PSNR_DB = 35.0
COARSE_SCANS = (
    "sub-lh01/anat/sub-lh01_inplaneT2",
    "sub-lh01/anat/sub-lh01_T1w",
    "sub-lh02/anat/sub-lh02_inplaneT2",
    "sub-lh02/anat/sub-lh02_T1w",
    "sub-ms12/ses-1/anat/sub-ms12_ses-1_T1w",
    "sub-ms12/ses-2/anat/sub-ms12_ses-2_T1w",
)
FINE_SCANS = (
    "sub-dep01/anat/sub-dep01_T1w",
    "sub-dep68/anat/sub-dep68_T1w",
    "sub-ms12/ses-1/anat/sub-ms12_ses-1_FLAIR",
    "sub-ms12/ses-1/anat/sub-ms12_ses-1_T2w",
    "sub-ms12/ses-2/anat/sub-ms12_ses-2_FLAIR",
    "sub-ms12/ses-2/anat/sub-ms12_ses-2_T2w",
)


def round_trip_psnr(image: NativeImage) -> float:
    """Of the brighter four fifths of what is not 0, whose 99.5th percentile is the range, after a turn and back."""
    center = image.affine[:3, :3] @ (np.array(image.voxels.shape) / 2) + image.affine[:3, 3]
    turn = motion((8, -6, 10), (np.array([0, -20, 18]) - center).tolist(), center)
    result = to_native_grid(to_working_grid(image, turn), image, turn)
    shown = ~result.outside & (image.voxels > np.percentile(image.voxels[image.voxels > 0], 20))
    expected, error = image.voxels[shown], (result.voxels - image.voxels)[shown]
    return 20 * np.log10(np.percentile(expected, 99.5) / np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("name", COARSE_SCANS[:2])
def test_real_scans_survive_the_round_trip(real_data, name):
    assert round_trip_psnr(read_image(real_data / "bids" / f"{name}.nii.gz")) > LEAST_PSNR_DB


@pytest.mark.slow
def test_what_a_round_trip_costs_real_scans(real_data):
    for name in (*COARSE_SCANS, *FINE_SCANS):
        image = read_image(real_data / "bids" / f"{name}.nii.gz")
        found = round_trip_psnr(image)
        print(name, "voxels, mm:", np.round(nibabel.affines.voxel_sizes(image.affine), 2), f"PSNR, dB: {found:.1f}")
        assert found > LEAST_PSNR_DB or name in FINE_SCANS


@pytest.mark.parametrize(
    "name",
    ["sub-lh01/anat/sub-lh01_inplaneT2", "sub-ms12/ses-1/anat/sub-ms12_ses-1_FLAIR"],
)
def test_real_native_scans_come_back_in_place(real_data, name):
    image = read_image(real_data / "bids" / f"{name}.nii.gz")
    volume = to_working_grid(image)
    assert volume.min() >= 0 and volume.max() <= image.voxels.max()
    result = to_native_grid(volume, image)
    seen = np.where(result.outside, 0, image.voxels)
    np.testing.assert_allclose(
        center_of_mass(result.voxels, image.affine), center_of_mass(seen, image.affine), atol=0.1
    )
    assert correlation(result.voxels, seen) > 0.99
    bright = 0.1 * np.percentile(image.voxels, 95)
    assert result.foreground_outside == np.count_nonzero(image.voxels > bright) - np.count_nonzero(seen > bright)


def test_real_mni_scan_is_copied_both_ways(real_data):
    image = read_image(real_data / "mni" / "sub-ms19_space-MNI152_desc-brain_T2w.nii.gz")
    volume = to_working_grid(image)
    # 182x218x182 from (90, -126, -72): 6 voxels into each axis of the working grid.
    np.testing.assert_array_equal(volume[6:188, 6:224, 6:188], image.voxels)
    assert np.count_nonzero(volume) == np.count_nonzero(image.voxels)
    result = to_native_grid(volume, image)
    np.testing.assert_array_equal(result.voxels, image.voxels)
    assert not result.outside.any()
