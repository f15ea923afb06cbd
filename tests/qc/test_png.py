import io

import numpy as np
import pytest
from PIL import Image

from scripts.qc.png import encode_png, png_uri


@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 3), (1, 1)])
def test_a_reader_of_png_gets_the_pixels_back(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


def test_equal_pixels_give_equal_bytes_whatever_their_memory_order():
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert encode_png(pixels) == encode_png(np.asfortranarray(pixels))
    assert png_uri(pixels).startswith("data:image/png;base64,iVBORw0KGgo")
