import pytest
import torch
from scripts.methods.haca3.redrawings import harmonize_and_redraw

from scripts.inferers.harmonization import VolumeInferer
from scripts.methods.classical.none import NoHarmonization
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.triplanar import TriPlanarInferer

from .small import small_haca3_plus, small_subject, two_targets

AVAILABLE = torch.tensor([True, True, False, True])


@pytest.fixture(scope="module")
def network():
    return small_haca3_plus(target_slices=4)


def test_sources_that_there_are_are_redrawn_with_their_own_codes_beside_the_targets(network):
    data = {"image": small_subject(), "available": AVAILABLE}
    inferer = TriPlanarInferer(MedianFusion())
    results, redrawings = harmonize_and_redraw(inferer, network, data, two_targets(), ["t1w", "pd", "flair"])
    assert redrawings.keys() == {"t1w", "flair"}
    own = network.encode_target(data["image"][None, 3:], "flair")
    alone = inferer.harmonize(data["image"], network, [*two_targets(), own], AVAILABLE)
    for found, expected in zip([*results, redrawings["flair"]], alone, strict=True):
        torch.testing.assert_close(found.image, expected.image)
    assert redrawings["flair"].severity == pytest.approx(own[0, 2:].norm().item())


def test_a_method_without_codes_redraws_nothing():
    data = {"image": small_subject(), "available": AVAILABLE}
    network = NoHarmonization()
    code = network.encode_target(data["image"][None, 1:2], "t2w")
    results, redrawings = harmonize_and_redraw(VolumeInferer(), network, data, [code], ["t2w"])
    assert len(results) == 1
    assert not redrawings
