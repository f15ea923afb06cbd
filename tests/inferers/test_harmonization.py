from functools import partial
from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor, nn

from scripts.inferers.harmonization import VolumeInferer
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.triplanar import TriPlanarInferer


class WeightedSum(nn.Module):
    """A method that adds up its volumes; the target says how often, by default once."""

    def forward(self, image: Tensor, target: Any = None) -> Tensor:
        return image.sum(1, keepdim=True) * (1 if target is None else target)


def test_volumes_go_through_the_network_once_for_each_target():
    image = torch.rand(4, 2, 3, 5)
    results = VolumeInferer().harmonize(image, WeightedSum(), [1, 3])
    assert [result.image.shape for result in results] == [(1, 2, 3, 5)] * 2
    assert torch.equal(results[1].image[0], 3 * image.sum(0))
    unknown = (results[0].foreground, results[0].visible, results[0].attention, results[0].features)
    assert unknown == (None,) * 4
    assert VolumeInferer().maps == ()


def test_called_as_monai_calls_it_an_inferer_takes_a_batch_and_gives_images():
    batch = torch.rand(3, 4, 2, 3, 5)
    inferer = VolumeInferer()
    assert isinstance(inferer, Inferer)
    assert torch.equal(inferer(batch, WeightedSum()), batch.sum(1, keepdim=True))
    assert torch.equal(inferer(batch, WeightedSum(), target=2), 2 * batch.sum(1, keepdim=True))


@pytest.mark.parametrize("kind", [Tensor.clone, partial(MetaTensor, meta={"affine": torch.eye(4)})])
def test_slices_are_hidden_from_who_calls_an_inferer(kind, network, subject, targets):
    inferer = TriPlanarInferer(MedianFusion())
    only_two_slices = torch.zeros_like(subject)
    only_two_slices[..., 5:7, 4, 5] = subject[..., 5:7, 4, 5]
    image = inferer(kind(only_two_slices)[None], network, targets[0])
    assert image.shape == (1, 1, *subject.shape[1:])
    assert torch.equal(image[0], inferer.harmonize(only_two_slices, network, targets[:1])[0].image)
