"""HACA3+ with the parts that the bundle trains, in place of HACA3's."""

from typing import Any

from scripts.layers.modulated_unet import ModulatedUNet
from scripts.layers.unet import UNet
from scripts.methods.haca3.artifact_encoder import PooledArtifactEncoder
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.contrast_encoder import PooledContrastEncoder
from scripts.methods.haca3.detail_encoder import DetailEncoder
from scripts.methods.haca3.encoders import Encoders
from scripts.methods.haca3.network import Haca3


def own_haca3_plus(anatomy_base: int = 8, decoder_base: int = 2, **options: Any) -> Haca3:
    """As in the configs but for the width of its U-Nets and `options` of Haca3."""
    encoders = Encoders(
        UNet(1, Encoders.classes, anatomy_base), PooledContrastEncoder(), PooledArtifactEncoder(), DetailEncoder()
    )
    decoder = ModulatedUNet(anatomy=11, base=decoder_base)
    return Haca3(ForegroundAttention(CodeAttention()), encoders, decoder, soft_anatomy=True, **options)
