"""A field of view that ends before the brain does, and the layers of a brain that an experiment looks at."""

from torch import Tensor, arange

# The axis of the working grid, and whether the side is where it ends.
SIDES: dict[str, tuple[int, bool]] = {
    "anterior": (1, True),
    "left": (0, True),
    "right": (0, False),
    "posterior": (1, False),
}


def beyond_field_of_view(brain: Tensor, side: str, share: float) -> Tensor:
    """What is lost (X, Y, Z) where a field of view ends so that `share` of the extent of `brain` (X, Y, Z) is.

    It reaches up to the border of the grid.
    """
    axis, at_end = SIDES[side]
    first, last = _extent(brain, axis)
    lost = round(share * (last - first + 1))
    place = arange(brain.shape[axis])
    outside = place > last - lost if at_end else place < first + lost
    return outside.view([-1 if own == axis else 1 for own in range(3)]).expand(brain.shape)


def middle_layers(brain: Tensor, number: int) -> slice:
    """The `number` axial layers in the middle of the `brain` (X, Y, Z), or all that it has."""
    first, last = _extent(brain, axis=2)
    start = max(first, (first + last + 1 - number) // 2)
    return slice(start, min(start + number, last + 1))


def _extent(brain: Tensor, axis: int) -> tuple[int, int]:
    """The first and the last layer along an axis that shows some of it."""
    places = brain.any(dim=[other for other in range(3) if other != axis]).nonzero().flatten()
    return int(places[0]), int(places[-1])
