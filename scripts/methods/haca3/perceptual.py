"""Features in which images are compared besides their pixels: the first layers of a VGG network, never trained here.

The weights are a file's, such as torchvision's for VGG16, or random ones.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...base.weights import file_sha256, read_checkpoint, refuse_other_network, seed_weights

# What torchvision's networks expect of a photograph's three channels.
MEANS = (0.485, 0.456, 0.406)
DEVIATIONS = (0.229, 0.224, 0.225)


class VggFeatures(nn.Module):
    """(B, 1, H, W) -> (B, last width, H / 4, W / 4), for three `widths`: pairs of convolutions with pooling between.

    With the default widths these are VGG16's layers up to its sixth convolution, called as in torchvision. `name` says
    where the weights are from.
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, name: str, widths: tuple[int, ...] = (64, 128, 256)) -> None:
        super().__init__()
        self.name = name
        layers: list[nn.Module] = []
        inputs = len(MEANS)
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
            inputs = width
        self.features = nn.Sequential(*layers[:-2])
        self.register_buffer("means", torch.tensor(MEANS).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviations", torch.tensor(DEVIATIONS).view(1, -1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """The features before the last activation."""
        return self.features((image - self.means) / self.deviations)


def load_extractor(
    weights: Path | str = "random", seed: int = 0, widths: tuple[int, ...] = (64, 128, 256)
) -> VggFeatures:
    """A frozen extractor whose `weights` are random, or a state dict in a file; other layers in it are left out."""
    if weights == "random":
        extractor = VggFeatures(f"random weights, widths {tuple(widths)}, seed {seed}", widths)
        seed_weights(extractor, seed)
    else:
        found = read_checkpoint(weights)
        extractor = VggFeatures(f"{Path(weights).name}, SHA-256 {file_sha256(weights)}", widths)
        expected = extractor.state_dict()
        used = {name: found[name] for name in expected if isinstance(found, Mapping) and name in found}
        refuse_other_network(used, expected, f"weights file {weights}")
        extractor.load_state_dict(used)
    return extractor.requires_grad_(False).eval()
