import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.methods.haca3.fusing import MedianFusion, NetworkFusion, PlaneFusion

from .golden import golden_fusion
from .test_fusion_net import learned

FIELD_OF_VIEW = 16


def planes(shape: tuple[int, int, int]) -> Tensor:
    """Three volumes of very different brightness, with some outliers."""
    volumes = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    volumes[:, :2, :2, :2] *= 9
    return volumes * torch.tensor([1.0, 30, 0.2]).view(3, 1, 1, 1)


@torch.inference_mode()
def on_the_whole_cube(volumes: Tensor) -> Tensor:
    """The fusion net of the published layout on volumes as published code would scale and pad them."""
    cube = torch.zeros(1, 3, FIELD_OF_VIEW, FIELD_OF_VIEW, FIELD_OF_VIEW)
    inside = tuple(slice((FIELD_OF_VIEW - n) // 2, (FIELD_OF_VIEW - n) // 2 + n) for n in volumes.shape[1:])
    for index, volume in enumerate(volumes):
        cube[0, index][inside] = (volume / (volume.quantile(0.95) + 1e-5)).clamp(0, 5)
    fused = golden_fusion()(cube.permute(0, 1, 4, 3, 2))
    return fused[0, 0].permute(2, 1, 0)[inside]


def test_median_is_taken_at_each_voxel():
    volumes = torch.tensor([[1.0, 5, 0], [2, 4, 0], [9, 4, 7]]).view(3, 1, 1, 3)
    assert MedianFusion()(volumes, FIELD_OF_VIEW, "fp32").tolist() == [[[2, 4, 0]]]


@pytest.mark.parametrize("shape", [(16, 16, 16), (9, 12, 7)])
@pytest.mark.parametrize("slab", [1, 5, 32])
@torch.inference_mode()
def test_network_works_slab_by_slab_as_on_the_whole(shape, slab):
    volumes = planes(shape)
    before = volumes.clone()
    fused = NetworkFusion(golden_fusion(), slab=slab)(volumes, FIELD_OF_VIEW, "fp32")
    expected = on_the_whole_cube(volumes)
    assert fused.shape == shape
    assert (fused - expected).abs().max() <= 2e-4
    assert expected.std() > 0.01
    assert torch.equal(volumes, before)


@torch.inference_mode()
def test_half_precision_comes_close_and_leaves_the_network_alone():
    network = golden_fusion()
    fused = NetworkFusion(network)(planes((9, 12, 7)), FIELD_OF_VIEW, "bf16")
    expected = on_the_whole_cube(planes((9, 12, 7)))
    assert fused.dtype == torch.float32
    assert 0 < (fused - expected).abs().mean() < 0.03 * expected.mean()
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@torch.inference_mode()
def test_brightness_of_a_plane_does_not_matter():
    volumes, fusion = planes((9, 12, 7)), NetworkFusion(golden_fusion())
    brighter = volumes * torch.tensor([2.0, 3, 4]).view(3, 1, 1, 1)
    fused = [fusion(each, FIELD_OF_VIEW, "fp32") for each in (volumes, brighter)]
    torch.testing.assert_close(fused[0], fused[1], rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_volume_larger_than_the_field_of_view_is_refused():
    with pytest.raises(InputError, match=r"`field_of_view` must be at least 17 for a volume of \(17, 4, 4\), got 16"):
        NetworkFusion(golden_fusion())(torch.rand(3, 17, 4, 4), FIELD_OF_VIEW, "fp32")


def corner() -> Tensor:
    """Three planes that show something in a corner of a volume, one of them less than the others."""
    volumes = torch.zeros(3, 12, 10, 9)
    volumes[:, 1:8, 2:10, 0:5] = torch.rand(3, 7, 8, 5, generator=torch.Generator().manual_seed(1)) + 0.1
    volumes[2, 5:] = 0
    return volumes


@pytest.mark.parametrize("slab", [1, 4, 32])
@torch.inference_mode()
def test_a_net_of_planes_works_in_a_box_slab_by_slab_as_on_the_whole(slab):
    network, volumes = learned(), corner()
    shown = volumes.any(0)
    fused = PlaneFusion(network, slab)(list(volumes), FIELD_OF_VIEW, "fp32")
    torch.testing.assert_close(fused[shown], network(volumes[None])[0, 0][shown])


@torch.inference_mode()
def test_low_precision_is_near_single_precision():
    network, volumes = learned(), list(corner())
    fused = {precision: PlaneFusion(network)(volumes, FIELD_OF_VIEW, precision) for precision in ("fp32", "bf16")}
    assert fused["bf16"].dtype == torch.float32
    torch.testing.assert_close(fused["bf16"], fused["fp32"], rtol=0.05, atol=0.02)
