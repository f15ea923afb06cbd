"""Scans, of which slices are cut."""

import torch

from scripts.base.contrasts import CONTRASTS
from scripts.training.scans import Scan


def test_a_scan_can_be_looked_at_without_some_contrasts():
    everywhere = torch.ones(2, 2, 2, dtype=torch.bool)
    scan = Scan(
        torch.ones(4, 2, 2, 2), torch.tensor([1.0, 0.0, 1.0, 1.0]), everywhere, everywhere.to(torch.int8), {}, 1
    )

    shown = scan.only(["t1w", "t2w", "flair"])

    # It has no T2w to show.
    assert [c for c, there in zip(CONTRASTS, shown.available, strict=True) if there] == ["t1w", "flair"]
    assert shown.volumes[CONTRASTS.index("pd")].max() == 0
    assert shown.volumes[CONTRASTS.index("flair")].min() == 1
    assert scan.volumes.min() == 1, "the scan itself is as it was"
