"""MMH (Wu et al.): a diffusion that keeps edges and makes brightness anew, in one style for all or in a target's.

    epsilon_theta   predicts noise in the style common to all          `model`
    its fine copy   predicts noise in the style of one target          `target`
    M               running styles that each of them is told           `records`
    G(I)            gradient map, which both are given                 `condition`

Letters in shapes: B volumes, C contrasts, X Y Z the size of a volume.
"""

import copy
from functools import partial

import torch
from torch import Tensor, nn

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from .condition import GradientMap
from .grid import NetworkGrid
from .noise_predictor import NoisePredictor
from .sampling import Predictor
from .style import StyleRecords, told_of


class DiffusionModel(nn.Module):
    """A noise `predictor` and the styles that it is told, by contrast."""

    def __init__(self, predictor: NoisePredictor, records: StyleRecords) -> None:
        super().__init__()
        self.predictor = predictor
        self.records = records

    def forward(
        self,
        noisy: Tensor,
        time: Tensor,
        condition: Tensor,
        contrast: Tensor,
        own: Tensor,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """The noise in volumes (B, 1, X, Y, Z) at `time` (B,), of `contrast` (B,).

        Their `own` style without noise is (B, 2); the `wanted` one is that of the records, if nothing else is given.
        """
        style = self.records.of(contrast).told if wanted is None else wanted
        found: Tensor = self.predictor(noisy, time, condition, contrast, style, own)
        return found

    def downwards(self, volumes: Tensor) -> Predictor:
        """What predicts noise on the way back of volumes (B, 1, X, Y, Z), into the style of the records."""
        return partial(self, own=told_of(volumes))


class Mmh(nn.Module):
    """Both stages of MMH; without a `style_encoder` the first alone, whose results have the style common to all.

    On the way to noise the model is asked for a volume's own style where `own_style_up`, else for that of the records,
    as on the way back: then the two ways undo each other but for their steps. The `style_encoder` names what judged
    styles when the target's copy was trained. Names of parameters hold it and the grid, so that weights of another one
    do not fit.
    """

    def __init__(
        self,
        grid: NetworkGrid,
        condition: GradientMap,
        model: DiffusionModel,
        style_encoder: str | None = None,
        own_style_up: bool = True,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.condition = condition
        self.model = model
        self.style_encoder = style_encoder
        self.own_style_up = own_style_up
        self.target = None if style_encoder is None else copy.deepcopy(model)
        labels = [grid.name] if style_encoder is None else [grid.name, f"styles by {style_encoder}"]
        for label in labels:
            self.register_buffer(label.replace(".", ","), torch.zeros(()))

    @property
    def last(self) -> DiffusionModel:
        """The model whose style the results have."""
        return self.model if self.target is None else self.target

    def upwards(self, volumes: Tensor) -> Predictor:
        """What predicts noise on the way up of volumes (B, 1, X, Y, Z)."""
        own = told_of(volumes)
        return partial(self.model, own=own, wanted=own if self.own_style_up else None)

    def known_contrast(self, contrast: str) -> str:
        """The `contrast` itself; refuse what was not trained on."""
        known = self.last.records.known
        if contrast not in known:
            raise InputError(
                f"`contrast` must be one that MMH was trained on, {', '.join(known) or 'none yet'}, got {contrast}"
            )
        return contrast

    def index(self, contrast: str) -> Tensor:
        """(1,), as models take it."""
        return torch.tensor([CONTRASTS.index(contrast)], device=self.model.records.mean.device)

    def begin_target(self) -> None:
        """Begin the target's copy as the model common to all, and let it alone learn."""
        if self.target is None:
            raise InputError("`style_encoder` must name what judges styles to train towards a target, got None")
        self.target.load_state_dict(self.model.state_dict())
        self.model.requires_grad_(False)
