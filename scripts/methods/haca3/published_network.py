"""HACA3's network as its authors build it; the bundle's own weights are of other encoders and another decoder."""

from typing import Any

from ...layers.unet import UNet
from .artifact_encoder import ArtifactEncoder
from .attention import SourceAttention
from .contrast_encoder import ContrastEncoder
from .encoders import Encoders
from .network import Haca3


def published_network(
    attention: SourceAttention, field_of_view: int = 224, anatomy_base: int = 8, decoder_base: int = 16, **options: Any
) -> Haca3:
    """A network for slices of `field_of_view` pixels, narrower where the bases are smaller; `options` are Haca3's."""
    encoders = Encoders(
        anatomy=UNet(1, Encoders.classes, anatomy_base),
        contrast=ContrastEncoder(field_of_view, Encoders.theta),
        artifact=ArtifactEncoder(field_of_view, Encoders.eta),
    )
    decoder = UNet(1 + encoders.theta, 1, decoder_base)
    return Haca3(attention, encoders, decoder, field_of_view, **options)
