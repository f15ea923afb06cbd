"""What the brightness of a source says about the target's, pixel by pixel (not in the papers).

Classes of anatomy say which tissue is where, but not how bright this part of it is. What that means for another
contrast depends on both: a dark spot of T1w is a bright one of T2w. So each source is seen with its own theta and the
target's.
"""

import torch
from torch import Tensor, nn

from ...layers.modulated_unet import ModulatedConv
from ...layers.unet import LEAK


class DetailEncoder(nn.Module):
    """A source (B, 1, H, W) of contrast theta (B, theta), for a target theta (B, theta), to features (B, F, H, W)."""

    def __init__(self, theta: int = 2, width: int = 12, features: int = 6, condition: int = 32) -> None:
        super().__init__()
        self.features = features
        self.condition = nn.Sequential(nn.Linear(2 * theta, condition), nn.LeakyReLU(LEAK))
        self.first = ModulatedConv(1, width, condition)
        self.second = ModulatedConv(width, features, condition)

    def forward(self, image: Tensor, theta: Tensor, target_theta: Tensor) -> Tensor:
        """The features, a pixel's depending on its neighbours within two pixels alone."""
        condition = self.condition(torch.cat([theta, target_theta], dim=1))
        return self.second(self.first(image, condition), condition)
