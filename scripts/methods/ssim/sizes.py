"""The sizes of the method's networks."""

from dataclasses import dataclass, fields

from ...base.arguments import check_whole
from ...base.errors import InputError


@dataclass(frozen=True)
class Sizes:
    """`width` channels at the full resolution, twice as many after each halving; the defaults are AGUIT's.

    `halvings` are those of the structure code, `style_halvings` those before the style's average. `blocks` are residual
    ones, of the structure encoder and of the generator each. `edge_kernel` and `up_kernel` are convolutions at the full
    resolution and after each doubling. `noise` counts the style's numbers beside the labels, `hidden` the units of the
    generator's multilayer perceptron.
    """

    width: int = 64
    halvings: int = 2
    blocks: int = 4
    style_halvings: int = 2
    edge_kernel: int = 7
    up_kernel: int = 5
    noise: int = 8
    hidden: int = 256

    def __post_init__(self) -> None:
        """Refuse wrong sizes."""
        for field in fields(self):
            check_whole(field.name, getattr(self, field.name))
        for name in ("edge_kernel", "up_kernel"):
            if getattr(self, name) % 2 == 0:
                raise InputError(f"`{name}` must be odd, got {getattr(self, name)}")

    @property
    def deepest(self) -> int:
        """Channels of the structure code."""
        return self.width * 2**self.halvings
