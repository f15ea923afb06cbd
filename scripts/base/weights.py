"""This bundle's model files: flat state dicts, read without running anything that a file holds."""

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .errors import InputError
from .json_files import read_json
from .whole_file import whole_file

HOW_TO_GET_WEIGHTS = (
    "import published weights with `python -m monai.bundle run --config_file configs/import_weights.json "
    "--checkpoint harmonization.pt --fusion fusion.pt` and take configs/published_weights.json after "
    "configs/inference.json, train some with `make weights`, or add `--random_weights true` to try the bundle without"
)
HOW_TO_MAKE_SAFE = """where you trust the file, keep its tensors alone, with the code that made it:
    import torch
    parts = torch.load("{name}", map_location="cpu", weights_only=False).items()
    kept = {{k: v for k, v in parts if isinstance(v, dict) and all(map(torch.is_tensor, v.values()))}}
    torch.save(kept, "weights.pt")"""
# Beside weights that were released; it has the hash of each file.
CARD = "model.json"
LFS_POINTER = b"version https://git-lfs"
# What a file of torch.save begins with, now and before version 1.6.
TORCH_FILES = (b"PK", b"\x80")


def load_weights(network: nn.Module, path: Path | str, advice: str = HOW_TO_GET_WEIGHTS) -> str:
    """Fill `network` with a file of `save_weights` and return the file's SHA-256; `advice` says where one is got."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"weights file {path} does not exist; {advice}")
    state = read_checkpoint(path)
    _refuse_damaged(path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"weights file {path} must be a flat state dict, as this bundle writes it; if it is the authors', {advice}"
        )
    refuse_other_network(state, network.state_dict(), f"weights file {path}")
    network.load_state_dict(state)
    return file_sha256(path)


def _refuse_damaged(path: Path) -> None:
    """Refuse a file that is not the one which the card beside it tells of; a file without a card may be any."""
    card = path.with_name(CARD)
    expected: Any = read_json(card, "model card") if card.is_file() else None
    for key in ("files", path.name, "sha256"):
        expected = expected.get(key) if isinstance(expected, Mapping) else None
    if expected is None:
        return
    found = file_sha256(path)
    if found != expected:
        raise InputError(
            f"weights file {path} must have the SHA-256 that {card} gives, {expected}, it has {found}: it is damaged,"
            " get it again; weights of your own belong in another folder"
        )


def save_weights(state: Mapping[str, Any], path: Path | str) -> str:
    """Write a state dict and return the file's SHA-256; the same tensors make the same bytes."""
    # Given a path instead of a file, torch would write the path's stem into the file.
    with whole_file(Path(path)) as partial, partial.open("wb") as file:
        torch.save(dict(state), file)
    return file_sha256(path)


def seed_weights(network: nn.Module, seed: int) -> None:
    """Fill `network` with random weights for a demonstration; the same seed gives the same ones.

    Variances are He's, so that contrast survives the layers. A module that needs other ones has `finish_seeding`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear | nn.LayerNorm):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
            if isinstance(module, nn.Conv2d | nn.Conv3d) and module.out_channels == 1 and module.bias is not None:
                # A layer that makes an image ends in a ReLU, which should not leave it black.
                nn.init.ones_(module.bias)
        for module in network.modules():
            finish = getattr(module, "finish_seeding", None)
            if callable(finish):
                finish()


def read_checkpoint(path: Path | str) -> Any:
    """Tensors and plain values of a file of torch.save; refuse any file that is damaged or would have to run code."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"weights file {path} does not exist")
    with path.open("rb") as file:
        beginning = file.read(256)
    if beginning.startswith(LFS_POINTER):
        raise InputError(
            f"weights file {path} is a Git LFS pointer, not the weights themselves; run `git lfs pull` in the "
            "clone that it is from, or download the file"
        )
    try:
        with warnings.catch_warnings():
            # What torch warns of here can be read, or is refused below.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged file makes torch raise almost any kind.
        raise InputError(_why_unreadable(path, beginning, str(error))) from error


def needs_code(path: Path, name: str) -> str:
    """The refusal of a file that would call or make `name` when it is read."""
    return (
        f"weights file {path} needs code to run, `{name}`, and this bundle runs none that comes with weights; "
        f"{HOW_TO_MAKE_SAFE.format(name=path.name)}"
    )


def file_sha256(path: Path | str) -> str:
    """In hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_sha256(network: nn.Module) -> str:
    """In hexadecimal, of the names and values of all parameters."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.numpy(force=True).tobytes())
    return digest.hexdigest()


def refuse_other_network(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], label: str) -> None:
    """Refuse parameters that are not the expected ones, or not finite; the message begins with `label`."""
    shapes = {
        name: f"{name} {tuple(found[name].shape)}, must be {tuple(value.shape)}"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    }
    problems = [
        _count("missing", [name for name in expected if name not in found]),
        _count("unexpected", [name for name in found if name not in expected]),
        _count("of another shape", list(shapes.values())),
    ]
    if any(problems):
        raise InputError(f"{label} holds another network: parameters {'; '.join(filter(None, problems))}")
    broken = [name for name, value in found.items() if not value.isfinite().all()]
    if broken:
        raise InputError(f"{label} must be finite: parameters {_count('that are not', broken)}")


def _count(problem: str, names: list[str], shown: int = 3) -> str:
    """Such as `missing: 5 (a, b, c, ...)`; empty where there are none."""
    more = ", ..." if len(names) > shown else ""
    return f"{problem}: {len(names)} ({', '.join(names[:shown])}{more})" if names else ""


def _why_unreadable(path: Path, beginning: bytes, error: str) -> str:
    """The refusal of a file that torch refused with the words `error`: what is wrong, and what to do."""
    if name := re.search(r"GLOBAL (\S+)", error):
        return needs_code(path, name[1])
    size = path.stat().st_size
    if not beginning.startswith(TORCH_FILES):
        return (
            f"weights file {path} is not of PyTorch: its {size} bytes begin with {beginning[:20]!r}; download it again"
        )
    if "TorchScript" in error:
        return f"weights file {path} is a TorchScript program; give the checkpoint that it was made of"
    reason = re.search(r"WeightsUnpickler error:\s*(.+)", error) or re.search("(.+)", error)
    return (
        f"weights file {path} is truncated or damaged, or of a form that torch.load(weights_only=True) does not read: "
        f"{size} bytes, {reason[1] if reason else 'end of file'}; compare its size with the source and download it "
        f"again; or, {HOW_TO_MAKE_SAFE.format(name=path.name)}"
    )
