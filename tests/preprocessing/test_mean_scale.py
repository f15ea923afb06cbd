import pytest
import torch

from scripts.base.errors import InputError
from scripts.preprocessing.mean_scale import ScaleByMeand

AVAILABLE = torch.tensor([True, True, False, False])


def image(*values: float) -> torch.Tensor:
    """Two contrasts of three voxels and two that are missing; the second is ten times the first."""
    first = torch.tensor(values)
    return torch.stack([first, 10 * first, torch.zeros(3), torch.zeros(3)]).view(4, 3, 1, 1)


def test_each_contrast_is_divided_by_its_mean_where_it_is_not_0():
    given = image(0.0, 1.0, 3.0)
    scaled = ScaleByMeand()({"image": given, "available": AVAILABLE})["image"]
    assert scaled[0].flatten().tolist() == scaled[1].flatten().tolist() == [0.0, 0.5, 1.5]
    assert not scaled[2:].any()
    assert given[0, 2, 0, 0] == 3


@pytest.mark.parametrize("values", [(0.0, 0.0, 0.0), (0.0, 1.0, -2.0)])
def test_an_image_without_a_positive_mean_is_refused(values):
    with pytest.raises(InputError, match="the mean of t1w where it is not 0 must be positive, got"):
        ScaleByMeand()({"image": image(*values), "available": AVAILABLE})
