"""A network and a subject so small that whole volumes pass through in a second or two.

Both are of double precision: in single, now and then, two classes are so nearly as likely that the order of a sum
decides, which changes a whole slice.
"""

from typing import Any

import torch
from torch import Tensor, nn

from scripts.layers.unet import ConvBlock
from scripts.methods.haca3.attention import CodeAttention, ScalarAttention
from scripts.methods.haca3.network import Haca3

from .golden import golden_haca3

FIELD_OF_VIEW = 96
SHAPE = (15, 18, 11)


def small_haca3_plus(**options: Any) -> Haca3:
    """HACA3+ without smoothing, narrow, with golden parameters, which leave no image black."""
    sizes = {"field_of_view": FIELD_OF_VIEW, "anatomy_base": 2, "decoder_base": 2}
    network = golden_haca3(smoothing=False, **sizes, **options)
    # The one layer whose width is no option takes most of the time.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network.artifact_encoder.features = ConvBlock(1, 64)
    return network.double()


def small_haca3() -> Haca3:
    """HACA3 with the same parameters."""
    network = small_haca3_plus()
    attention = ScalarAttention(CodeAttention()).double().eval()
    attention.load_state_dict(network.attention.state_dict())
    network.attention = attention
    return network


def small_subject() -> Tensor:
    """T1w, T2w and FLAIR (4, X, Y, Z) of a box in an empty margin, each cut off at another side."""
    image = torch.zeros(4, *SHAPE, dtype=torch.float64)
    image[:, 2:13, 3:16, 1:10] = torch.rand(4, 11, 13, 9, generator=torch.Generator().manual_seed(0)) + 0.1
    image[0, :, :, 6:] = 0
    image[1, :5] = 0
    image[2] = 0
    image[3, :, 12:] = 0
    return image


def two_targets() -> list[Tensor]:
    """Codes, each (1, 4)."""
    return list(torch.tensor([[1.0, -0.5, 0.2, 0.1], [-2.0, 1.5, 0.0, 0.3]], dtype=torch.float64).split(1))


class CallCount:
    """How often the network's parts were called, and how many slices they saw."""

    def __init__(self, network: nn.Module, part: str) -> None:
        self.calls = 0
        self.slices = 0
        getattr(network, part).register_forward_hook(self._count)

    def _count(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.calls += 1
        self.slices += len(inputs[0])
