import torch

from scripts.methods.haca3.fusion_net import FusionNet, PlaneFusionNet


def test_three_volumes_become_one_of_the_same_size():
    assert FusionNet()(torch.rand(2, 3, 6, 8, 10)).shape == (2, 1, 6, 8, 10)


def test_number_of_parameters_is_the_published_one():
    assert sum(parameter.numel() for parameter in FusionNet().parameters()) == 12_785


def test_volumes_reach_the_last_layers_beside_their_features():
    network = FusionNet()
    volumes = torch.randn(1, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in network.merge.parameters():
            parameter.zero_()
        network.merge[0].weight[0, 1, 1, 1, 1] = 1
        network.merge[2].weight[0, 0, 1, 1, 1] = 1
        assert torch.equal(network(volumes)[:, 0], volumes[:, 1].clamp(min=0))


def test_output_is_never_negative():
    network = FusionNet()
    with torch.no_grad():
        network.merge[2].bias.fill_(-100)
    assert not network(torch.rand(1, 3, 4, 4, 4)).any()


def learned() -> PlaneFusionNet:
    torch.manual_seed(0)
    network = PlaneFusionNet()
    torch.nn.init.normal_(network.correction[-1].weight, std=0.05)
    return network


def test_a_net_of_planes_starts_as_their_median():
    volumes = torch.rand(1, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(PlaneFusionNet()(volumes)[:, 0], volumes.median(1).values)


def test_all_features_can_be_learned_from_there():
    network = PlaneFusionNet()
    network(torch.rand(1, 3, 6, 6, 6)).square().sum().backward()
    assert network.correction[-1].weight.grad.abs().amin((2, 3, 4)).gt(0).all()


@torch.no_grad()
def test_a_voxel_depends_on_those_within_reach_alone():
    network, volumes = learned(), torch.rand(1, 3, 9, 9, 9, generator=torch.Generator().manual_seed(0))
    changed = volumes.clone()
    changed[0, 1, 8, 4, 4] += 1
    moved = (network(changed) != network(volumes))[0, 0].nonzero()[:, 0]
    assert moved.min() == 8 - network.reach


@torch.no_grad()
def test_a_net_of_planes_is_never_negative():
    network = learned()
    network.correction[-1].bias.fill_(-100)
    assert not network(torch.rand(1, 3, 4, 4, 4)).any()
