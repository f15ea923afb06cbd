import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.mmh.grid import NetworkGrid

SMOOTH = torch.linspace(0.2, 1, 12).view(1, 1, 12, 1, 1).expand(1, 1, 12, 9, 10).contiguous()


def test_values_are_stretched_to_the_networks_range():
    grid = NetworkGrid((12, 9, 10), 1, upper=1.5)
    volume = torch.tensor([0.0, 0.75, 1.5]).repeat(360).view(1, 1, 12, 9, 10)
    assert grid.to_network(volume).unique().tolist() == [-1, 0, 1]


@pytest.mark.parametrize("shape", [(12, 9, 10), (14, 12, 13), (13, 10, 16)])
def test_a_box_that_holds_the_volume_gives_it_back(shape):
    grid = NetworkGrid(shape, 1)
    small = grid.to_network(SMOOTH)
    assert small.shape == (1, 1, *shape)
    torch.testing.assert_close(grid.from_network(small, SMOOTH), SMOOTH)


def test_larger_voxels_are_means_and_come_back_smooth():
    grid = NetworkGrid((6, 5, 5), 2)
    small = grid.to_network(SMOOTH)
    assert float(small[0, 0, 1, 1, 1]) == pytest.approx(float(SMOOTH[0, 0, 2:4].mean()) / 0.75 - 1)
    back = grid.from_network(small, SMOOTH)
    torch.testing.assert_close(back[0, 0, 2:-2, 2:6, 2:8], SMOOTH[0, 0, 2:-2, 2:6, 2:8], atol=0.01, rtol=0)
    torch.testing.assert_close(grid.blurred(SMOOTH), back)


def test_what_lies_outside_of_the_box_follows_the_line_of_what_lies_inside():
    grid = NetworkGrid((6, 9, 10), 1)
    # Half as bright and 0.1 more; in the network's range 0.75 is one.
    made = 0.5 * (grid.to_network(SMOOTH) + 1) - 1 + 0.1 / 0.75
    torch.testing.assert_close(grid.from_network(made, SMOOTH), 0.5 * SMOOTH + 0.1)


def test_nothing_is_made_where_the_volume_shows_nothing():
    grid, volume = NetworkGrid((6, 5, 5), 2), SMOOTH.clone()
    volume[:, :, :5] = 0
    made = grid.from_network(torch.rand(1, 1, 6, 5, 5), volume)
    assert not made[volume == 0].any() and made[volume > 0].all()


def test_values_out_of_range_are_refused():
    with pytest.raises(InputError, match="values of sub-01 must be from -1 to 1 after scaling, got -1 to 1.66"):
        NetworkGrid((6, 5, 5), 1).to_network(torch.tensor([0.0, 2.0]).repeat(75).view(1, 1, 6, 5, 5), "sub-01")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": (4, 4)}, r"`shape` must be three numbers, got \[4, 4\]"),
        ({"shape": (4, 4, 0)}, "`shape` must be a whole number of at least 1, got 0"),
        ({"voxel_mm": 1.5}, "`voxel_mm` must be a whole number of at least 1, got 1.5"),
        ({"upper": 0}, "`upper` must be above 0, got 0"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        NetworkGrid(**options)
