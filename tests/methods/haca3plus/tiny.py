"""A narrow network and a batch of two slices of made-up people, as the slice sampler's are."""

import torch
from torch import Tensor

from scripts.methods.haca3plus.network import HarmonizationNet
from scripts.methods.haca3plus.sizes import AnatomySizes, CodeSizes

SIZE = 48


def tiny_network(seed: int = 0, learned: bool = False) -> HarmonizationNet:
    """`learned` gives the layers that start at 0 some weights."""
    torch.manual_seed(seed)
    network = HarmonizationNet(
        CodeSizes(theta=4),
        AnatomySizes(widths=(6, 8)),
        decoder_widths=(6, 8),
        identity_widths=(6, 8),
        artifact_widths=(4, 6),
        condition=8,
    ).eval()
    if learned:
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.3)
    return network


def tiny_slices(seed: int = 0) -> Tensor:
    """Sources (2, 4, SIZE, SIZE) with background around them, the last one missing in the second sample."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(2, 4, SIZE, SIZE)
    image[:, :, 10:30, 14:38] = 0.2 + torch.rand(2, 4, 20, 24, generator=generator)
    image[0, 1, 10:20] = 0
    image[1, 3] = 0
    return image


def tiny_percentiles(image: Tensor) -> Tensor:
    """Percentiles (B, C, 11) of the foreground of images (B, C, H, W), 0 where there is none."""
    return tiny_network()._percentiles(image.flatten(0, 1).unsqueeze(1)).unflatten(0, image.shape[:2])


def tiny_codes(network: HarmonizationNet, image: Tensor) -> Tensor:
    """Codes (B, C, D) of slices, as if they were whole volumes."""
    with torch.no_grad():
        return network.encode_all(image)


def tiny_batch() -> dict[str, Tensor]:
    """What the slice sampler draws, of noise."""
    source, target = tiny_slices(0), tiny_slices(1)
    target[1, 3] = target[1, 2]
    foreground = source.any(1).float()
    tissue = torch.rand(2, 6, SIZE, SIZE, generator=torch.Generator().manual_seed(2)) * foreground[:, None]
    return {
        "source": source,
        "source_other": source.flip(-1),
        "truth": target * foreground[:, None],
        "target_image": target,
        "available": torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 0]]),
        "severity": torch.tensor([[0.0, 0.5, 0, 0], [0, 0, 0.3, 0]]),
        "tissue": tissue / tissue.sum(1, keepdim=True).clamp(min=1e-6),
        "foreground": foreground,
        "source_percentiles": tiny_percentiles(source),
        "target_percentiles": tiny_percentiles(target),
        "source_levels": torch.tensor([0.4, 0.8, 1.0]).expand(2, 4, 3)
        * torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 0]])[..., None],
        "target_levels": torch.tensor([0.3, 0.7, 1.1]).expand(2, 4, 3),
    }
