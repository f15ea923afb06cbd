"""HACA3+ with the parts that the bundle trains, in place of HACA3's."""

from typing import Any

from scripts.networks.artifact_encoder import PooledArtifactEncoder
from scripts.networks.attention import CodeAttention, ForegroundAttention
from scripts.networks.contrast_encoder import PooledContrastEncoder
from scripts.networks.detail_encoder import DetailEncoder
from scripts.networks.haca3 import Haca3
from scripts.networks.modulated_unet import ModulatedUNet


def own_haca3_plus(decoder_base: int = 2, **options: Any) -> Haca3:
    """As in the configs but for `options` of Haca3."""
    return Haca3(
        ForegroundAttention(CodeAttention()),
        contrast_encoder=PooledContrastEncoder(),
        artifact_encoder=PooledArtifactEncoder(),
        detail_encoder=DetailEncoder(),
        decoder=ModulatedUNet(anatomy=11, base=decoder_base),
        soft_anatomy=True,
        **options,
    )
