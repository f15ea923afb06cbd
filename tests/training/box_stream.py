"""A stream of tiny scans whose brightness tells who they are of."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from scripts.base.seeds import derive_seed
from scripts.training.scans import Place, Scan, ScanStream
from scripts.training.slices import SliceStream


@dataclass(eq=False)
class BoxScans(ScanStream):
    """`count` people in a round, each a full cube of 8 voxels a side; person n is as bright as n + 1."""

    name: str = "box"
    count: int = 4
    seed: int = 1
    visits_per_person = 1

    def places(self) -> list[Place]:
        return [Place("S", "A")]

    def people(self, epoch: int, round: int) -> Iterator[Iterator[Scan]]:
        for number in range(self.count):
            yield self._visit(f"{self.name}-{epoch}-{round}-{number}", number)

    def _visit(self, subject: str, number: int) -> Iterator[Scan]:
        volumes = torch.full((4, 8, 8, 8), number + 1.0)
        about = {"subject": subject, "scanner": "A", "site": "S"}
        seed = derive_seed(self.seed, subject)
        everywhere = torch.ones(8, 8, 8, dtype=torch.bool)
        yield Scan(volumes, torch.ones(4), everywhere, everywhere.to(torch.int8), about, seed, subject)


def box_stream(name: str = "box", count: int = 4, seed: int = 1, **options) -> SliceStream:
    small = {"field_of_view": 8, "slices_per_orientation": 2, "reference_slices": 2, "buffer_size": 10}
    return SliceStream(BoxScans(name, count, seed), **{**small, **options})
