from dataclasses import replace
from math import sqrt

import pytest
import torch

from scripts.images.orientations import ORIENTATIONS
from scripts.methods.haca3.features import SliceFeatures, features_table
from scripts.methods.haca3.plane_pass import PlanePass, slice_features, view_subject

# T1w and FLAIR in two slices, of which the second does not show T1w.
HAND_MADE = SliceFeatures(
    orientation=("axial",) * 4,
    index=torch.tensor([7, 7, 8, 8]),
    channel=torch.tensor([0, 3, 0, 3]),
    code=torch.tensor([[1.0, 2, 3, 4], [0, 1, 0.6, 0.8], [100, 100, 100, 100], [2, 3, 8, 6]]),
    area=torch.tensor([10, 30, 0, 10]),
    visible=torch.tensor([30, 30, 10, 10]),
    share=torch.tensor([0.5, 0.5, 0.1, 0.9]),
    theta=2,
)


def test_severity_is_the_norm_of_eta():
    assert HAND_MADE.severity.tolist() == pytest.approx([5, 1, sqrt(20_000), 10])


def test_codes_of_a_volume_are_weighted_by_area_and_attention_by_the_output():
    summary = HAND_MADE.of_volumes()
    assert list(summary) == ["t1w", "flair"]
    assert summary["t1w"] == {
        "theta": [1, 2],
        "eta": [3, 4],
        "severity": pytest.approx(5),
        "attention": pytest.approx((0.5 * 30 + 0.1 * 10) / 40),
    }
    # Weights 3/4 and 1/4; severity is the mean of norms, not the norm of the mean.
    assert summary["flair"] == {
        "theta": pytest.approx([0.5, 1.5]),
        "eta": pytest.approx([2.45, 2.1]),
        "severity": pytest.approx(3.25),
        "attention": pytest.approx((0.5 * 30 + 0.9 * 10) / 40),
    }


def test_table_has_a_row_for_each_source_in_each_slice_and_a_column_for_each_target():
    features = {"t1w": HAND_MADE, "flair": replace(HAND_MADE, share=torch.tensor([0.25, 0.75, 0, 1]))}
    header, rows = features_table(features)
    assert header[:5] == ["orientation", "slice", "source", "area", "visible"]
    assert header[5:] == ["theta1", "theta2", "eta1", "eta2", "severity", "attention_t1w", "attention_flair"]
    assert rows[0] == ["axial", "7", "t1w", "10", "30", "1", "2", "3", "4", "5", "0.5", "0.25"]
    assert rows[1] == ["axial", "7", "flair", "30", "30", "0", "1", "0.6", "0.8", "1", "0.5", "0.75"]
    assert rows[2] == ["axial", "8", "t1w", "0", "10", "100", "100", "100", "100", "141.421", "0.1", "0"]
    assert len(rows) == 4


def test_table_without_targets_has_no_attention():
    header, rows = features_table({"": replace(HAND_MADE, share=torch.full((4,), torch.nan))})
    assert header[-1] == "severity"
    assert rows[3] == ["axial", "8", "flair", "10", "10", "2", "3", "8", "6", "10"]


@pytest.fixture(scope="module")
def passes(network, subject, targets) -> list[PlanePass]:
    """Of the first two slices of each plane, with numbers that tell where they come from in place of the network's."""
    seen = view_subject(network, subject[[0, 1, 3]])
    planes = [PlanePass(network, seen, name, torch.cat(targets)) for name in ORIENTATIONS]
    for number, plane in enumerate(planes):
        plane.covered = plane.covered[:2]
        plane.codes += 100 * number + 10 * torch.arange(len(plane.codes)).view(-1, 1, 1) + torch.arange(3).view(-1, 1)
        plane.shares += torch.tensor([0.25, 0.5]).view(-1, 1, 1)
    return planes


def test_rows_come_by_plane_slice_and_source(passes):
    features = slice_features(passes, torch.tensor([0, 1, 3]), theta=2, target=1)
    assert features.orientation == ("axial",) * 6 + ("coronal",) * 6 + ("sagittal",) * 6
    assert features.index.tolist() == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3 + [2] * 3 + [3] * 3
    assert features.channel.tolist() == [0, 1, 3] * 6
    assert features.code[:, 0].tolist() == [
        *(10, 11, 12, 20, 21, 22),
        *(130, 131, 132, 140, 141, 142),
        *(220, 221, 222, 230, 231, 232),
    ]
    assert features.code.shape == (18, 4)
    # In coronal slices of 11 x 9 pixels, T1w lacks 4 of 9 rows, T2w 3 of 11 columns, FLAIR nothing yet.
    assert features.area[6:9].tolist() == [11 * 5, 8 * 9, 11 * 9]
    assert features.visible[6:9].tolist() == [11 * 9] * 3
    assert features.share.unique().tolist() == [0.5]


def test_attention_is_unknown_without_a_target(passes):
    assert slice_features(passes, torch.tensor([0, 1, 3]), theta=2).share.isnan().all()
