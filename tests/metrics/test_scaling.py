import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.metrics.scaling import divide_by_percentile

IMAGE = np.arange(101.0).reshape(101, 1, 1)
EVERYWHERE = np.ones(IMAGE.shape, dtype=bool)


def test_divides_by_the_percentile_inside_the_mask() -> None:
    scaled = divide_by_percentile(IMAGE, EVERYWHERE)
    assert scaled[95, 0, 0] == 1.0
    assert scaled[19, 0, 0] == pytest.approx(0.2)
    lower_half = IMAGE <= 50.0
    assert divide_by_percentile(IMAGE, lower_half, percentile=100.0)[100, 0, 0] == 2.0


def test_clips_on_request() -> None:
    assert divide_by_percentile(IMAGE, EVERYWHERE, percentile=50.0, clip=(0.0, 1.5)).max() == 1.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"percentile": 0.0}, "`percentile` must be above 0"),
        ({"clip": (1.0, 0.0)}, "`clip` must be a lower and a higher bound"),
    ],
)
def test_refuses_bad_settings(arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        divide_by_percentile(IMAGE, EVERYWHERE, **arguments)


def test_refuses_an_image_that_is_not_positive() -> None:
    with pytest.raises(InputError, match="95th percentile inside the mask must be positive, got -5"):
        divide_by_percentile(-IMAGE, EVERYWHERE)
