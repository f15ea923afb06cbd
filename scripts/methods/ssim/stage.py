"""One iteration of training: two players, the translator (encoders and generator) and the discriminators."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn

from ...base.errors import InputError
from ...base.seeds import derive_seed
from .discriminators import ImageDiscriminator, StructureDiscriminator
from .losses import TranslationLoss
from .network import SsimNet, StyleCode
from .translation import Translation, translate

TRANSLATOR, DISCRIMINATORS = "translator", "discriminators"


class TranslationStage(nn.Module):
    """Makes a player's losses of a batch of volumes.

    The translator comes first; the discriminators then learn from what it made. An `agnostic_share` of the translations
    is to the style without a label.
    """

    def __init__(
        self,
        network: SsimNet,
        images: ImageDiscriminator,
        structures: StructureDiscriminator,
        loss: TranslationLoss,
        agnostic_share: float = 0.2,
    ) -> None:
        super().__init__()
        if not 0 < agnostic_share < 1:
            raise InputError(f"`agnostic_share` must be above 0 and below 1, got {agnostic_share}")
        self.network = network
        self.discriminators = nn.ModuleDict({"images": images, "structures": structures})
        self.loss = loss
        self.agnostic_share = agnostic_share
        self.made: Translation | None = None

    def forward(self, batch: Mapping[str, Any], iteration: int, player: str) -> dict[str, Tensor]:
        """The losses by name."""
        images, structures = self.discriminators["images"], self.discriminators["structures"]
        if player == TRANSLATOR:
            own = self.network.labels_of_places(batch["site"], batch["scanner"])
            made = translate(self.network, batch["image"], own, self.agnostic_share)
            judged = images(made.translated), structures(made.structure_again)
            self.made = made
            return self.loss.translator(made, *judged, self.network.vectors.mean(0))
        if self.made is None:
            raise InputError(f"`players` must have the {TRANSLATOR} before the {DISCRIMINATORS}")
        made = self.made
        return self.loss.discriminators(
            images(made.image),
            images(made.translated.detach()),
            structures(made.structure.detach()),
            structures(made.structure_again.detach()),
            made.own,
        )


class TranslateVolumes:
    """An evaluator's iteration: the `losses` of a batch by name, and pictures of the middle axial slices.

    `source` and `again` (B, 1, H, W) are the image and what its own structure and style make, `translated` (B, P + 1,
    H, W) the image in every style and in that of no place. Draws are the same each time.
    """

    def __init__(self, network: SsimNet, loss: TranslationLoss, agnostic_share: float = 0.2, seed: int = 1) -> None:
        self.network = network
        self.loss = loss
        self.agnostic_share = agnostic_share
        self.seed = seed

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Translate `image` (B, 1, X, Y, Z)."""
        self.network.eval()
        image = batch["image"].to(self.network.vectors.device)
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, "validation", engine.state.iteration))
            own = self.network.labels_of_places(batch["site"], batch["scanner"])
            made = translate(self.network, image, own, self.agnostic_share)
            losses = self.loss.validation(made)
            styles = [*self.network.vectors.split(1), self.network.agnostic]
            noise = torch.zeros(1, self.network.sizes.noise, device=image.device)
            shown = [self.network(image, StyleCode(noise, style)) for style in styles]
        return {
            **batch,
            "source": _middle(image),
            "again": _middle(made.again),
            "translated": torch.cat([_middle(each) for each in shown], 1),
            "losses": {name: float(loss) for name, loss in losses.items()},
        }


def _middle(volume: Tensor) -> Tensor:
    """The middle axial slice (B, 1, H, W), the front of the head at the top."""
    return volume[..., volume.shape[-1] // 2].transpose(-1, -2).flip(-2).float().cpu()
