import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.mmh.scaling import ScaleForegroundd

AVAILABLE = torch.tensor([True, False, False, False])


def stack(values: torch.Tensor) -> dict[str, torch.Tensor]:
    image = torch.zeros(4, 10, 10, 2)
    image[0, :, :, 0] = values.view(10, 10)
    return {"image": image, "available": AVAILABLE}


def test_a_percentile_of_what_is_shown_becomes_1():
    data = stack(torch.arange(1.0, 101.0))
    scaled = ScaleForegroundd(percentile=50.0, upper=1.5)(data)["image"]
    # The median of 1 to 100 is 50.5, whatever the zeros of the other slice are.
    assert float(scaled[0, 0, 0, 0]) == pytest.approx(1 / 50.5)
    assert float(scaled.max()) == 1.5 and not scaled[1:].any() and float(data["image"].max()) == 100


def test_an_empty_image_is_refused():
    with pytest.raises(InputError, match="t1w must have voxels above 0, it has none"):
        ScaleForegroundd()(stack(torch.zeros(100)))


@pytest.mark.parametrize(("options", "words"), [({"percentile": 101}, "`percentile` must"), ({"upper": 0}, "`upper`")])
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        ScaleForegroundd(**options)
