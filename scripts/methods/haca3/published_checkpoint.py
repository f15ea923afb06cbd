"""Checkpoints that the authors' HACA3 and HACA3+ code writes, in the names of this bundle's networks.

Such a file is a dict of state dicts, one for each sub-network, among what training needed to go on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from torch import Tensor, nn

from ...base.checkpoint_archive import read_archive
from ...base.errors import InputError
from ...base.weights import file_sha256, read_checkpoint, refuse_other_network


def _unet_names(ours: str, published: str, levels: int = 4) -> Iterator[tuple[str, str]]:
    """The authors number the levels upwards on both ways, this bundle in the order in which they are run."""
    yield f"{ours}.stem", f"{published}.in_conv"
    for level in range(levels):
        up = levels - 1 - level
        yield f"{ours}.up.{up}.lift.0", f"{published}.up_samples.{level}.conv.0"
        for block, conv in ((0, 0), (1, 3)):
            yield f"{ours}.down.{level}.{block}.0", f"{published}.down_convs.{level}.conv.{conv}"
            yield f"{ours}.up.{up}.merge.{block}.0", f"{published}.up_convs.{level}.conv.{conv}"
    for block, conv in ((0, 0), (1, 3)):
        yield f"{ours}.bottleneck.{block}.0", f"{published}.bottleneck_conv.conv.{conv}"
    for layer in (0, 2):
        yield f"{ours}.head.{layer}", f"{published}.out_conv.{layer}"


# For every layer of this bundle's network the authors' name, the sub-network first.
HARMONIZATION_NAMES: dict[str, str] = {
    **dict(_unet_names("anatomy_encoder", "beta_encoder")),
    "contrast_encoder.features.0.0": "theta_encoder.conv.0",
    "contrast_encoder.features.1.0": "theta_encoder.conv.3",
    "contrast_encoder.features.2.0": "theta_encoder.conv.6",
    "contrast_encoder.mean.0.0": "theta_encoder.mean_conv.0",
    "contrast_encoder.mean.1": "theta_encoder.mean_conv.3",
    "contrast_encoder.log_variance.0.0": "theta_encoder.logvar_conv.0",
    "contrast_encoder.log_variance.1": "theta_encoder.logvar_conv.3",
    "artifact_encoder.features.0.0": "eta_encoder.in_conv.0",
    "artifact_encoder.features.1.0": "eta_encoder.in_conv.3",
    "artifact_encoder.summary.0.0": "eta_encoder.seq.0",
    "artifact_encoder.summary.1": "eta_encoder.seq.3",
    **dict(_unet_names("decoder", "decoder")),
    **{f"attention.alpha.query.{layer}": f"attention_module.q_fc.{layer}" for layer in (0, 2, 3)},
    **{f"attention.alpha.key.{layer}": f"attention_module.k_fc.{layer}" for layer in (0, 2, 3)},
}
FUSION_NAMES: dict[str, str] = {
    "features.0.0": "fusion_net.conv1.0",
    "features.1.0": "fusion_net.conv1.3",
    "merge.0": "fusion_net.conv2.0",
    "merge.2": "fusion_net.conv2.2",
}

# Variants of an encoder, told apart by a parameter that only they have: its first axis is the length of the code.
ENCODERS: dict[str, dict[str, str]] = {
    "theta_encoder": {
        "mean_conv.3.weight": "slices",
        "mu_conv.3.weight": "patches of 32 pixels, as in early HACA3 code",
        "mean_fc.weight": "whole volumes",
    },
    "eta_encoder": {
        "seq.3.weight": "slices",
        "encoder.2.weight": "slices, the scorer that preceded HACA3+",
        "out.weight": "whole volumes",
    },
}


@dataclass(frozen=True)
class PublishedWeights:
    """What a checkpoint holds for one network: `state` in this bundle's names, `shapes` in the authors'."""

    path: Path
    sha256: str
    state: dict[str, Tensor]
    shapes: dict[str, tuple[int, ...]]
    encoders: dict[str, str]
    left_out: tuple[str, ...]


def read_published(path: Path | str, network: nn.Module, names: Mapping[str, str]) -> PublishedWeights:
    """Read the parameters of `network`, whose layers the checkpoint calls by `names`; buffers stay the network's."""
    path = Path(path)
    content = _read(path)
    parts = list(dict.fromkeys(name.partition(".")[0] for name in names.values()))
    found = _parameters(content, parts, path)
    encoders = dict(_describe_encoders(found, parts))
    published = published_names(network, names)
    own = network.state_dict()
    about = "; ".join(f"{part}: {variant}" for part, variant in encoders.items())
    label = f"checkpoint {path} ({about})" if about else f"checkpoint {path}"
    refuse_other_network(found, {theirs: own[ours] for ours, theirs in published.items()}, label)
    imported = {ours: found[theirs].detach().to(own[ours].dtype, copy=True) for ours, theirs in published.items()}
    return PublishedWeights(
        path,
        file_sha256(path),
        own | imported,
        {name: tuple(value.shape) for name, value in found.items()},
        encoders,
        tuple(str(name) for name in content if name not in parts),
    )


def published_names(network: nn.Module, names: Mapping[str, str]) -> dict[str, str]:
    """The authors' name of every parameter."""
    split = {name: name.rpartition(".") for name, _ in network.named_parameters()}
    return {name: f"{names.get(layer, layer)}.{kind}" for name, (layer, _, kind) in split.items()}


def _read(path: Path) -> Any:
    try:
        return read_checkpoint(path)
    except InputError as refusal:
        if not is_zipfile(path):
            raise
        try:
            return read_archive(path)
        except InputError:
            raise
        except Exception:  # A damaged archive makes zipfile and pickle raise almost any kind.
            raise refusal from None


def _parameters(content: Any, parts: list[str], path: Path) -> dict[str, Tensor]:
    """The parameters of the sub-networks `parts`, without the prefix that DataParallel gives them."""
    if not isinstance(content, Mapping):
        raise InputError(
            f"checkpoint {path} must hold the state dicts {', '.join(parts)}, it is a {type(content).__name__}"
        )
    missing = [part for part in parts if not isinstance(content.get(part), Mapping)]
    if missing:
        raise InputError(
            f"checkpoint {path} must hold the state dicts {', '.join(parts)}; it lacks {', '.join(missing)} and holds "
            f"{', '.join(map(str, content))}"
        )
    found = {
        f"{part}.{str(key).removeprefix('module.')}": value for part in parts for key, value in content[part].items()
    }
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise InputError(f"checkpoint {path}: {name} must be a tensor, it is a {type(value).__name__}")
    return found


def _describe_encoders(found: Mapping[str, Tensor], parts: list[str]) -> Iterator[tuple[str, str]]:
    for part, variants in ENCODERS.items():
        known = [(f"{part}.{key}", variant) for key, variant in variants.items() if f"{part}.{key}" in found]
        if known:
            name, variant = known[0]
            yield part, f"{found[name].shape[0]}-dimensional code of {variant}"
        elif part in parts:
            yield part, "unknown variant"
