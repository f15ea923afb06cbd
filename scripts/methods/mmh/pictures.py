"""Slices to look at while a training goes on."""

from torch import Tensor


def picture_columns(volumes: Tensor, edges: Tensor, made: Tensor) -> dict[str, Tensor]:
    """The middle axial slices (B, 1, H, W), from 0 to 1, of volumes (B, 1, X, Y, Z), their edges and what was made."""
    whole = {"source": volumes, "edges": edges, "made": made}
    return {
        name: ((volume[..., volume.shape[-1] // 2].float() + 1) / 2).clamp(0, 1).transpose(2, 3).flip(2).cpu()
        for name, volume in whole.items()
    }
