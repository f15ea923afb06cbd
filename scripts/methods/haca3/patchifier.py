"""Features of the patches that HACA3 contrasts with each other; only training needs it."""

from torch import Tensor, nn

from ...layers.unet import LEAK


class Patchifier(nn.Module):
    """(B, 1, H, W) -> (B, features, P): one vector for each of the P = (H / patch) (W / patch) patches, row by row.

    Layers are called as in the authors' checkpoints.
    """

    def __init__(self, patch: int = 32, hidden: int = 64, features: int = 128) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, hidden, patch, stride=patch), nn.LeakyReLU(LEAK), nn.Conv2d(hidden, features, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """The features, of any length."""
        return self.conv(image).flatten(2)
