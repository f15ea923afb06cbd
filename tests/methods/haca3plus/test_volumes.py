import numpy as np
import torch

from scripts.methods.haca3plus.volumes import foreground_percentiles, shown_box, volume_code

from .tiny import tiny_network, tiny_slices


def test_percentiles_are_of_the_foreground():
    volume = torch.zeros(4, 5, 6)
    volume[1, 1, :5] = torch.tensor([1.0, 2, 3, 4, 5])
    assert foreground_percentiles(volume, percentiles=(0, 25, 50, 100)).tolist() == [1, 2, 3, 5]


def test_box_by_hand():
    slices = torch.zeros(2, 1, 32, 32)
    slices[0, 0, 9, 4], slices[1, 0, 15, 20] = 1, 1
    assert shown_box(slices, 4) == (slice(8, 16), slice(4, 24))


def test_code_is_the_mean_weighted_by_foreground():
    network, images = tiny_network(learned=True), tiny_slices()[0, :2]
    percentiles = torch.linspace(0.2, 1.2, 11)
    contrast = torch.eye(4)[2].expand(2, 4)
    with torch.no_grad():
        found = volume_code(network, [images[:1], images[1:]], percentiles, 2)
        each = network.encode(images[:, None], percentiles.expand(2, -1), contrast)
    areas = (images > 0.01).sum((1, 2)).numpy()
    expected = np.average(each.numpy(), axis=0, weights=areas)
    # The artifact encoder looks beyond the foreground, and the volume is cut to that.
    eta = slice(network.layout.theta_end, network.layout.eta_end)
    np.testing.assert_allclose(found.numpy()[eta], expected[eta], rtol=2e-2)
    rest = np.delete(np.arange(len(expected)), eta)
    np.testing.assert_allclose(found.numpy()[rest], expected[rest], rtol=1e-3, atol=1e-5)
