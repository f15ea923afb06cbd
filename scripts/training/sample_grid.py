"""Pictures of what the harmonizer makes, to look at while it trains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from PIL import Image
from torch import Tensor


class SampleGrid:
    """After each epoch, writes a picture of the first samples of the `evaluator` to `folder`: `epoch-<n>.png`.

    A row is a sample: its sources, missing ones black, then what was made of them, and what it should be, or what else
    `columns` name, each (B, images, H, W). White is `white`.
    """

    def __init__(
        self,
        evaluator: Engine,
        folder: Path | str,
        rows: int = 8,
        white: float = 1.5,
        columns: Sequence[str] = ("source", "pred", "target"),
    ) -> None:
        self.evaluator = evaluator
        self.folder = Path(folder)
        self.rows = rows
        self.white = white
        self.columns = columns
        self.pictures: list[Tensor] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, after the validation."""
        self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        output: Any = engine.state.output
        columns = torch.cat([output[column] for column in self.columns], dim=1)
        # The images of a row side by side, (H, images * W).
        self.pictures += [torch.cat(list(row), dim=1) for row in columns[: self.rows - len(self.pictures)]]

    def _write(self, engine: Engine) -> None:
        grid = torch.cat(self.pictures).div(self.white).clamp(0, 1).mul(255).round().to(torch.uint8)
        self.pictures = []
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"epoch-{engine.state.epoch:04d}.png"
        Image.fromarray(grid.numpy()).save(path)
