import re

import pytest

from scripts.base.errors import InputError
from scripts.methods.haca3.fusing import MedianFusion, NetworkFusion
from scripts.methods.haca3.triplanar import TriPlanarInferer

from .golden import golden_fusion


def test_maps_are_those_that_were_asked_for():
    assert TriPlanarInferer(MedianFusion()).maps == ("imputed",)
    assert TriPlanarInferer(MedianFusion(), attention=True, uncertainty=True).maps == (
        "imputed",
        "attention",
        "uncertainty",
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"samples": 1}, "`samples` must be 0 or at least 2, got 1"),
        ({"samples": -2}, "`samples` must be 0 or at least 2, got -2"),
        ({"seed": -1}, "`seed` must not be negative, got -1"),
        ({"precision": "fp16"}, "`precision` must be one of fp32, bf16, got fp16"),
        ({"orientations": []}, "`orientations` must be some of axial, coronal, sagittal, got []"),
        ({"orientations": ["axial", "oblique"]}, "sagittal, got ['axial', 'oblique']"),
        ({"orientations": ["axial"], "uncertainty": True}, "`uncertainty` needs at least two `orientations`"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, words):
    with pytest.raises(InputError, match=re.escape(words)):
        TriPlanarInferer(MedianFusion(), **option)


def test_a_fusion_net_is_given_all_planes():
    with pytest.raises(InputError, match="must be a MedianFusion for fewer than three `orientations`, got a NetworkFu"):
        TriPlanarInferer(NetworkFusion(golden_fusion()), orientations=["axial", "sagittal"])
