"""Networks whose every parameter follows a rule, for which other code's numbers are known.

The values of the parameter `name`, spelled as the authors' checkpoints spell it, are drawn with the CRC-32 of that name
as seed. A layer whose published name is wrong therefore gives other numbers.
"""

import zlib
from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.fusion_net import FusionNet
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.published_checkpoint import FUSION_NAMES, HARMONIZATION_NAMES, published_names
from scripts.methods.haca3.published_network import published_network


def golden_parameter(name: str, shape: torch.Size) -> Tensor:
    """The values of one parameter."""
    draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape.numel())
    if len(shape) > 1:
        values = draw * sqrt(2 / shape[1:].numel())
    elif name.endswith("weight"):
        values = 1 + 0.1 * draw
    else:
        values = 0.05 * draw + (name == "decoder.out_conv.2.bias")
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def golden_haca3(smoothing: bool = True, **options: Any) -> Haca3:
    """HACA3+ with the golden parameters, for inference; `options` of `published_network` for a smaller one."""
    network = published_network(ForegroundAttention(CodeAttention(), smoothing=smoothing), **options)
    _fill(network, HARMONIZATION_NAMES)
    return network.eval()


def golden_fusion() -> FusionNet:
    """The fusion net with the golden parameters, for inference."""
    network = FusionNet()
    _fill(network, FUSION_NAMES)
    return network.eval()


def published_parts(network: nn.Module, names: Mapping[str, str]) -> dict[str, dict[str, Tensor]]:
    """The state dicts of a checkpoint of `network`, as the authors' code would save it."""
    parts: dict[str, dict[str, Tensor]] = {}
    for ours, theirs in published_names(network, names).items():
        part, _, key = theirs.partition(".")
        parts.setdefault(part, {})[key] = network.state_dict()[ours].clone()
    return parts


def _fill(network: nn.Module, names: Mapping[str, str]) -> None:
    published = published_names(network, names)
    with torch.no_grad():
        for ours, parameter in network.named_parameters():
            parameter.copy_(golden_parameter(published[ours], parameter.shape))
