from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.nifti import NativeImage
from scripts.registration.corrections import choose_corrections


def image(name: str) -> NativeImage:
    return NativeImage(Path(name), np.ones((2, 2, 2), np.float32), np.eye(4), nibabel.Nifti1Header(), "")


def step(mark: str):
    return lambda one: image(f"{one.path} {mark}")


def is_preprocessed(one: NativeImage) -> bool:
    return one.path.name.startswith("mni")


@pytest.mark.parametrize(
    ("correct_bias", "registration", "raw", "preprocessed"),
    [
        ("auto", "auto", "raw bias", "mni"),
        ("auto", "rigid", "raw bias", "mni bias"),
        ("auto", "none", "raw", "mni"),
        (True, "none", "raw bias", "mni bias"),
        (True, "auto", "raw bias", "mni bias"),
        (False, "rigid", "raw", "mni"),
        # As the command line gives them.
        ("true", "none", "raw bias", "mni bias"),
        ("false", "rigid", "raw", "mni"),
    ],
)
def test_which_images_are_corrected(correct_bias, registration, raw, preprocessed):
    for last in (None, step("fine")):
        corrections = choose_corrections(correct_bias, step("bias"), registration, is_preprocessed, last)
        for name, expected in (("raw", raw), ("mni", preprocessed)):
            one = image(name)
            for correct in corrections:
                one = correct(one)
            assert str(one.path) == expected + " fine" * (last is not None)


def test_another_word_is_refused():
    with pytest.raises(InputError, match="`correct_bias` must be true, false or auto, got yes"):
        choose_corrections("yes", step("bias"), "auto", is_preprocessed)
