import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.metrics.tissues import TissueLabels

TISSUES = {"GM": ["cerebrum_gm", "caudate"], "CSF": ["ventricles", "sulcal_fluid"]}


def test_regions_become_tissues():
    # Labels of ventricles, cerebrum_gm, caudate, cerebral_wm and sulcal_fluid; the image is its own segmentation.
    image = np.array([0, 1, 3, 4, 9, 10]).reshape(1, 2, 3)
    assert TissueLabels(lambda labels: labels, TISSUES)(image).ravel().tolist() == [0, 2, 1, 1, 0, 2]


@pytest.mark.parametrize(
    ("tissues", "words"),
    [
        (
            {"GM": ["cortex"]},
            "`tissues` must hold some of ventricles, .*, sulcal_fluid, outside, each once, got cortex",
        ),
        ({"GM": ["caudate"], "WM": ["caudate"]}, "each once, got caudate, caudate"),
        ({}, "each once, got none"),
    ],
)
def test_wrong_tissues_are_refused(tissues, words):
    with pytest.raises(InputError, match=words):
        TissueLabels(lambda labels: labels, tissues)
