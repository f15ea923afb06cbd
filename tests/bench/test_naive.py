import pytest
import torch

from scripts.bench import naive
from scripts.methods.haca3.fusing import NetworkFusion
from scripts.methods.haca3.fusion_net import FusionNet
from scripts.methods.haca3.plane_pass import PlanePass, view_subject

from ..methods.haca3.small import small_haca3_plus, small_subject


# The plain way decodes empty slices too, all 96 of them.
@pytest.mark.slow
@torch.inference_mode()
def test_naive_way_decodes_what_the_inferer_decodes():
    # The plane whose rows are reversed.
    orientation = "coronal"
    network, sources = small_haca3_plus(), small_subject()
    sources = sources[sources.flatten(1).any(1)]
    target = torch.tensor([[0.5, -1.0, 0.2, 0.3]]).to(sources)
    plane = PlanePass(network, view_subject(network, sources), orientation, target)
    plane.process(plane.covered)
    torch.testing.assert_close(naive.decode_plane(sources, network, target, orientation), plane.images[0])


@torch.inference_mode()
def test_naive_way_fuses_what_the_inferer_fuses():
    network, planes = FusionNet().eval(), torch.rand(3, 20, 24, 22)
    expected = NetworkFusion(network)(planes, field_of_view=32, precision="fp32")
    torch.testing.assert_close(naive.fuse_planes(list(planes), network, field_of_view=32), expected)
