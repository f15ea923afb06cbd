import pytest
import torch
from torch import nn

from scripts.base.errors import InputError
from scripts.images.orientations import ORIENTATIONS, plane_view
from scripts.inferers.slices import SliceInferer


class Doubling(nn.Module):
    """Doubles the first contrast, and notes how many slices it saw at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.batches: list[int] = []

    def forward(self, image: torch.Tensor, target: float) -> torch.Tensor:
        self.batches.append(len(image))
        return self.factor * target * image[:, :1]


class Rows(Doubling):
    """Adds the number of each row."""

    def forward(self, image: torch.Tensor, target: float) -> torch.Tensor:
        return image[:, :1] + torch.arange(image.shape[2]).view(-1, 1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_voxel_comes_back_to_its_place(orientation):
    volume = torch.rand(4, 5, 6, 7) + 0.1
    first, second = SliceInferer(orientation, batch_size=2).harmonize(volume, Doubling(), [1.0, 3.0])
    torch.testing.assert_close(first.image, 2 * volume[:1])
    torch.testing.assert_close(second.image, 6 * volume[:1])


def test_slices_are_those_of_its_orientation():
    volume = torch.rand(4, 5, 6, 7) + 0.1
    result = SliceInferer("axial").harmonize(volume, Rows(), [1.0])[0].image[0]
    # Rows of an axial slice are y.
    torch.testing.assert_close(result, volume[0] + torch.arange(6).view(1, -1, 1))


def test_slices_that_show_nothing_are_skipped():
    volume, network = torch.zeros(4, 5, 6, 7), Doubling()
    volume[1, 2, 3, 2:6] = 1
    result = SliceInferer(batch_size=3).harmonize(volume, network, [1.0])[0]
    assert network.batches == [3, 1]
    assert not result.image.any()
    assert plane_view(volume, "axial").shape == (4, 7, 6, 5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"orientation": "oblique"}, "`orientation` must be one of axial, coronal, sagittal, got oblique"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"precision": "fp8"}, "`precision` must be one of fp32, bf16, got fp8"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        SliceInferer(**options)
