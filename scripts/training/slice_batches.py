"""Batches of slices from a library of people, numbered from the first step of a training to its last."""

from typing import Any

from ..sampler.slice_sampler import SliceSampler
from .epochs import NumberedBatches


class SliceBatches(NumberedBatches):
    """Whole batches of a `sampler`, `steps` of them in an epoch.

    A batch depends on the sampler's seed and its number alone. What the sampler draws comes with the names of the
    people, `subject`, and of their `scanner`.
    """

    def __init__(self, sampler: SliceSampler, steps: int) -> None:
        self.sampler = sampler
        super().__init__(steps)

    def make_batch(self, number: int) -> dict[str, Any]:
        """The sampler's."""
        batch = self.sampler.render(self.sampler.draw(number))
        return {
            **batch,
            "available": batch["available"].float(),
            "subject": [f"person {number}" for number in batch["person"].tolist()],
            "scanner": [f"scanner {number}" for number in batch["scanner"][:, 0].tolist()],
        }
