"""A stream of tiny scans whose brightness tells who they are of."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from scripts.base.seeds import derive_seed
from scripts.training.slice_stream import Scan, ScanSlices, SliceStream


@dataclass(eq=False)
class BoxStream(SliceStream):
    """`count` people in a round, each a full cube of 8 voxels a side; person n is as bright as n + 1."""

    name: str = "box"
    count: int = 4

    def people(self, epoch: int, round: int) -> Iterator[Iterator[ScanSlices]]:
        for number in range(self.count):
            yield self._visit(f"{self.name}-{epoch}-{round}-{number}", number)

    def _visit(self, subject: str, number: int) -> Iterator[ScanSlices]:
        volumes = torch.full((4, 8, 8, 8), number + 1.0)
        about = {"subject": subject, "scanner": "A", "site": "S"}
        seed = derive_seed(self.seed, subject)
        everywhere = torch.ones(8, 8, 8, dtype=torch.bool)
        yield self.cut(Scan(volumes, torch.ones(4), everywhere, everywhere.to(torch.int8), about, seed))


def box_stream(name: str = "box", **options) -> BoxStream:
    small = {"field_of_view": 8, "slices_per_orientation": 2, "reference_slices": 2, "buffer_size": 10}
    return BoxStream(name=name, **{**small, **options})
