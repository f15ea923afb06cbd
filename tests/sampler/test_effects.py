import numpy as np
import pytest

from scripts.phantom.kspace import acquire_matrix
from scripts.sampler import effects as effects
from scripts.sampler.artifacts import ARTIFACTS, ArtifactLaw
from scripts.sampler.noise import Noise

BINS = 129


def test_a_matrix_convolves_with_the_kernel_of_its_filter() -> None:
    rng = np.random.default_rng(0)
    filters = effects.encoding_filters(rng.uniform(0.6, 1, 3), rng.uniform(0, 0.9, 3), rng.uniform(0, 0.4, 3), BINS)
    kernels = np.fft.irfft(filters, n=2 * (BINS - 1))
    for kernel, matrix in zip(kernels, effects.matrices(filters, None, 40), strict=True):
        for row, column in ((0, 0), (3, 30), (30, 3), (39, 0), (0, 39), (20, 20)):
            assert matrix[row, column] == pytest.approx(kernel[(row - column) % len(kernel)], abs=1e-6)


def test_full_resolution_changes_nothing_and_shift_moves() -> None:
    everything = np.ones((2, BINS))
    still = effects.matrices(everything, None, 32)
    assert np.abs(still - np.eye(32)).max() < 1e-6
    moved = effects.matrices(everything, np.array([2.0, -1.0]), 32)
    spike = np.zeros(32)
    spike[10] = 1
    assert [int(np.argmax(matrix @ spike)) for matrix in moved] == [12, 9]


def test_resolution_is_that_of_k_space() -> None:
    """Beside the phantom's own acquisition of a whole volume, which gives back what interpolation would take."""
    import torch

    line = np.zeros(256, dtype=np.float32)
    line[100:140] = 1
    volume = torch.from_numpy(line)[:, None, None].expand(256, 4, 4)
    quiet = torch.Generator().manual_seed(0)
    wanted = acquire_matrix(volume, (160, 4, 4), 0.5, 0.0, 0.0, quiet)[:, 0, 0].numpy()
    given_back = 1 / (1 - (2 * effects.frequencies(BINS)) ** 2 / 2)
    filters = effects.encoding_filters(np.array([160 / 256]), np.array([0.5]), np.array([0.0]), BINS) * given_back
    found = np.abs(effects.matrices(filters, None, 256)[0] @ line)
    assert np.abs(found - wanted)[60:180].max() < 0.03


def test_thick_slices_blur_by_their_thickness() -> None:
    filters = effects.slab_filters(np.array([0.0, 4.0]), BINS)
    assert np.allclose(filters[0], 1)
    kernel = np.fft.fftshift(np.fft.irfft(filters[1], n=256))
    place = np.arange(256) - 128
    # Three boxes of 4 voxels have a variance of 3 * 16 / 12.
    assert (kernel * place**2).sum() / kernel.sum() == pytest.approx(4.0, abs=0.3)


def test_curves_rise_and_leave_0_and_1_where_they_are() -> None:
    values = np.linspace(0, 3, 200)
    for gamma, shoulder in ((0.6, 0.0), (1.6, 0.6), (1.0, 1.0)):
        bent = effects.bend(values, gamma, shoulder)
        assert (np.diff(bent) > 0).all()
        assert bent[0] == pytest.approx(0, abs=1e-3)
        assert np.interp(1.0, values, bent) == pytest.approx(1, abs=1e-3)
    assert np.allclose(effects.bend(values[1:], 1.0, 0.0), values[1:])


def test_fields_of_a_lattice_are_those_of_their_cosines() -> None:
    weights = np.random.default_rng(0).normal(size=(2, 4, 4, 4))
    fields = effects.lattice_fields(weights, 8).reshape(2, 8, 8, 8)
    places = (np.arange(8) + 0.5) / 8
    x, y, z = (effects.cosines(places[place]) for place in (1, 4, 6))
    assert fields[1, 1, 4, 6] == pytest.approx(np.einsum("xyz,x,y,z", weights[1], x, y, z), rel=1e-4)


def test_a_crop_ends_the_field_of_view() -> None:
    images = np.ones((3, 10, 20), dtype=np.float32)
    effects.crop(images, np.array([[0.3, 0, 0], [0.25, 1, 1], [0.0, 0, 1]]))
    assert not images[0, :3].any() and images[0, 3:].all()
    assert not images[1, :, 15:].any() and images[1, :, :15].all()
    assert images[2].all()


def test_ghosts_have_the_energy_of_their_strength() -> None:
    rng = np.random.default_rng(1)
    line = rng.normal(size=256)
    line -= line.mean()
    for ghosts in (2, 4):
        filters = effects.ghost_filter(ghosts, 0.8, 256, BINS)[None]
        degraded = np.fft.irfft(np.fft.rfft(line) * filters[0])
        # A comb of every n-th line holds a share 1 / n of the energy.
        assert ((degraded - line) ** 2).sum() / (line**2).sum() == pytest.approx(0.8**2 / ghosts, rel=0.4)


def test_motion_of_no_strength_is_no_motion_and_more_is_more() -> None:
    image = np.zeros((1, 48, 40), dtype=np.float32)
    image[0, 12:36, 10:30] = 1
    lost = []
    for severity in (0.01, 0.3, 1.0):
        law = ArtifactLaw(share=1, kinds=("motion",), severity=(severity, severity))
        artifact = law.draw(1, 1, np.random.default_rng(3)).of(0, np.array([0]))
        moved = image.copy()
        effects.motion(moved, artifact)
        lost.append(float(np.abs(moved - image).mean()))
    assert lost[0] < 0.01 < lost[1] < lost[2]


def test_artifacts_are_drawn_as_asked_for() -> None:
    law = ArtifactLaw(share=0.5, kinds=("noise", "motion"), severity=(0.2, 0.6))
    table = law.draw(200, 4, np.random.default_rng(0))
    has = table.drawn.kind.reshape(200, 4) >= 0
    assert 0.4 < has.mean() < 0.6
    assert {ARTIFACTS[kind] for kind in table.drawn.kind[has.ravel()]} == {"noise", "motion"}
    assert (table.severity[~has] == 0).all()
    assert table.severity[has].min() >= 0.2 and table.severity[has].max() <= 0.6
    assert table.of(0, None) is None


def test_noise_is_rician() -> None:
    noise = Noise(np.random.default_rng(0).standard_normal(2**18, dtype=np.float32), 1)
    dark, bright = np.zeros((1, 20000), dtype=np.float32), np.full((1, 20000), 100, dtype=np.float32)
    spread = np.ones((1, 1), dtype=np.float32)
    # Rayleigh: mean sqrt(pi / 2).
    assert noise.magnitude(dark, spread).mean() == pytest.approx(np.sqrt(np.pi / 2), rel=0.02)
    assert noise.magnitude(bright, spread).std() == pytest.approx(1, rel=0.03)
    with pytest.raises(ValueError, match="`noise_bank` must be more than the 300000 values of a scan, got 262144"):
        noise.like(np.zeros(300_000))
