"""The unit of intensity, which in MR means nothing: no result may depend on it."""

import math

# Up to this many powers of two from 1, which nearly all images are, an image is left as it is.
_ORDINARY_EXPONENT = 30


def intensity_unit(brightest: float) -> float:
    """What to divide an image by whose `brightest` voxel is far from 1, so that single precision can square its values.

    It is a power of two, so that no digit changes.
    """
    exponent = math.frexp(brightest)[1]
    return 1.0 if abs(exponent) <= _ORDINARY_EXPONENT else 2.0**exponent
