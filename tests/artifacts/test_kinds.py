import numpy as np
import pytest
import torch

from scripts.artifacts.kinds import KINDS, Anisotropy, BiasField, Ghosting, Motion, Noise, build_kind
from scripts.base.errors import InputError


def blob(shape: tuple[int, int], centre: tuple[float, float], width: float = 4.0) -> torch.Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(length) for length in shape), indexing="ij")
    squared = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    return torch.exp(-squared / (2 * width**2))[None, :, :, None]


def test_noise_is_the_one_of_the_seed():
    degraded = Noise.apply(torch.ones(1, 5, 6, 1), std=0.1, seed=3)
    expected = torch.randn(1, 5, 6, 1, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(degraded, 1 + 0.1 * expected)


def test_two_ghosts_are_half_a_field_of_view_apart():
    image = torch.zeros(1, 8, 8, 1)
    image[0, 0, 3, 0] = 8.0
    degraded = Ghosting.apply(image, num_ghosts=2, axis=0, intensity=0.5)[0, :, 3, 0]
    # Two copies of -intensity / 2, and intensity times the mean of the column, as the centre of k-space is restored.
    assert degraded.tolist() == pytest.approx([8 - 2 + 0.5, 0.5, 0.5, 0.5, -2 + 0.5, 0.5, 0.5, 0.5], abs=1e-5)


def test_ghosts_are_drawn_with_equal_energy():
    drawn = [Ghosting(2, 10).draw(0.6, np.random.default_rng(seed), 2) for seed in range(40)]
    assert {arguments["num_ghosts"] for arguments in drawn} == set(range(2, 11))
    assert [arguments["intensity"] ** 2 / arguments["num_ghosts"] for arguments in drawn] == pytest.approx([0.36] * 40)


def test_bias_field_is_the_exponential_of_the_polynomial():
    # Order 1: constant, z, y, x; the middles of four voxels lie at -1, -1/3, 1/3 and 1.
    degraded = BiasField.apply(torch.ones(1, 4, 4, 1), coefficients=[0.0, 0.0, 0.0, 0.3], order=1)
    assert degraded[0, :, 2, 0].tolist() == pytest.approx(np.exp([-0.3, -0.1, 0.1, 0.3]).tolist())


@pytest.mark.parametrize("shape", [(96, 96), (32, 32, 32)])
def test_bias_field_has_the_drawn_spread_where_the_head_is(shape):
    arguments = BiasField(head_radius=0.75).draw(0.4, np.random.default_rng(5), len(shape))
    field = BiasField.apply(torch.ones(1, *shape, *[1] * (3 - len(shape))), **arguments).reshape(shape)
    position = (np.arange(shape[0]) + 0.5) / shape[0] * 2 - 1
    radius = np.linalg.norm(np.meshgrid(*[position] * len(shape)), axis=0)
    log_field = np.log(field.numpy()[radius <= 0.75])
    assert log_field.std() == pytest.approx(0.4, rel=0.05)
    assert log_field.mean() == pytest.approx(0.0, abs=0.03)


def test_anisotropy_blurs_along_its_axis_only():
    stripes = torch.tensor([0.0, 1.0]).repeat(16).expand(1, 32, 32)[..., None]
    along = Anisotropy.apply(stripes, axis=0, thickness=4.0)
    across = Anisotropy.apply(stripes, axis=1, thickness=4.0)
    assert torch.allclose(along, stripes, atol=1e-5)
    # Thick slices of four voxels hold two dark and two bright stripes.
    assert torch.allclose(across[0, :, 8:24], torch.tensor(0.5), atol=0.05)


def test_motion_spares_the_centre_of_k_space():
    rows = torch.arange(32)
    slow, fast = (torch.cos(2 * torch.pi * cycles * rows / 32).expand(1, 32, 32)[..., None] for cycles in (1, 14))
    # Until a quarter of k-space is filled the head lies 8 voxels further along axis 0.
    still = {"axis": 0, "times": [0.25], "degrees": [[0, 0, 0]], "translations": [[8, 0, 0]]}
    image = (slow + fast).transpose(1, 2) * blob((32, 32), (15.5, 15.5), 1e6)
    column = Motion.apply(image, **still)[0, :, 5, 0] - slow.transpose(1, 2)[0, :, 5, 0]
    lowest = torch.fft.rfft(column).abs()
    assert lowest[:8].max() < 1e-3
    assert not torch.allclose(column, fast.transpose(1, 2)[0, :, 5, 0], atol=0.1)


def test_motion_turns_about_the_middle_of_the_image():
    turn = {"axis": 1, "times": [0.48, 0.52], "degrees": [[0, 0, 40], [0, 0, -40]], "translations": [[0, 0, 0]] * 2}
    round_head = blob((40, 48), (19.5, 23.5))
    assert torch.allclose(Motion.apply(round_head, **turn), round_head, atol=0.02)
    beside = blob((40, 48), (19.5, 33.5))
    assert not torch.allclose(Motion.apply(beside, **turn), beside, atol=0.1)


@pytest.mark.parametrize("name", KINDS)
def test_axes_of_a_slice_lie_in_its_plane(name):
    drawn = [build_kind(name, {}).draw(1.5, np.random.default_rng(seed), 2) for seed in range(20)]
    axes = {arguments["axis"] for arguments in drawn if "axis" in arguments}
    assert axes == ({0, 1} if "axis" in drawn[0] else set())
    if name == "motion":
        assert not np.any([arguments["degrees"] for arguments in drawn], axis=(0, 1))[:2].any()
        assert not np.any([arguments["translations"] for arguments in drawn], axis=(0, 1))[2]


def test_motion_is_as_large_as_its_strength():
    for spatial_dims in (2, 3):
        arguments = Motion(movements=4).draw(1.5, np.random.default_rng(0), spatial_dims)
        for moves in (arguments["degrees"], arguments["translations"]):
            assert np.linalg.norm(moves, axis=1) == pytest.approx(1.5)
        assert np.all(np.diff(arguments["times"]) > 0)


def test_unknown_kind_and_setting_are_refused():
    with pytest.raises(InputError, match="`kind` must be one of noise, ghosting, bias_field, .*, got 'spike'"):
        build_kind("spike", {})
    with pytest.raises(InputError, match="`settings` of artifact kind motion must be arguments of it: .*'moves'"):
        build_kind("motion", {"moves": 3})
