import pytest
import torch

from scripts.methods.haca3.fusion_net import PlaneFusionNet
from scripts.methods.haca3.fusion_stage import FuseVolumes, FusionStage


def batch() -> dict[str, torch.Tensor]:
    """Three planes of 1, 2 and 6 whose truth is 3; half of it is not visible, and half of what is is no brain."""
    planes = torch.tensor([1.0, 2, 6]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 4, 4).contiguous()
    visible, mask = torch.zeros(2, 1, 1, 4, 4, 4)
    visible[..., :2], mask[..., :1] = 1, 1
    return {"planes": planes, "target": torch.full((1, 1, 4, 4, 4), 3.0), "visible": visible, "mask": mask}


def test_error_is_that_of_what_the_sources_show():
    given = batch()
    given["target"][..., 2:] = 100
    losses = FusionStage(PlaneFusionNet())(given, 1)
    assert losses["total"].item() == pytest.approx(1)


def test_a_voxel_outside_the_brain_counts_less():
    given = batch()
    given["target"][..., :1] = 2  # All of the brain is right; what else is visible is wrong by 1.
    assert FusionStage(PlaneFusionNet(), outside_mask=0.25)(given, 1)["total"].item() == pytest.approx(0.2)


def test_a_step_brings_the_output_nearer():
    torch.manual_seed(0)
    stage = FusionStage(PlaneFusionNet())
    optimizer = torch.optim.Adam(stage.parameters(), lr=1e-3)
    before = stage(batch(), 1)["total"]
    before.backward()
    optimizer.step()
    assert stage(batch(), 2)["total"] < before


def test_validation_has_the_median_beside_the_network():
    output = FuseVolumes(PlaneFusionNet())(None, batch())
    assert output["pred"][..., 0].unique().tolist() == [2]
    assert output["median"][..., 0].unique().tolist() == [2]
    assert not output["pred"][..., 2:].any() and not output["median"][..., 2:].any()
