"""Which image is registered to what, and how the motions combine; the registration itself is played."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.bench.known_motions import motion
from scripts.images.nifti import NativeImage
from scripts.registration.alignment import Alignment
from scripts.registration.rigid import Registered
from scripts.registration.template import load_template_brain

LOWEST = {"template": 1.1, "contrast": 1.2}
SHAPE = (8, 9, 10)


# From the world of MNI152 to that of each image.
TRUTH = {
    "t1w": motion((5, 0, 9), (10, -20, 3)),
    "t2w": motion((0, 12, 1), (4, 5, -6)),
    "flair": motion((-3, 2, 1), (0, 8, 1)),
}


@dataclass
class PlayedRegistration:
    """Knows the truth, gives the score of the moving image, and keeps what it was asked."""

    scores: Mapping[str, float] = field(default_factory=dict)
    calls: list[tuple[str, str, np.ndarray, bool]] = field(default_factory=list)

    def __call__(self, fixed, moving: NativeImage, region: np.ndarray, scaled: bool = False) -> Registered:
        to, what = (getattr(image, "path", Path("template")).name for image in (fixed, moving))
        self.calls.append((to, what, region, scaled))
        return Registered(
            TRUTH[what] @ np.linalg.inv(TRUTH.get(to, np.eye(4))), self.scores.get(what, 1.3), overlap=0.9
        )


def images(*contrasts: str, in_mni: tuple[str, ...] = ()) -> dict[str, NativeImage]:
    found = {}
    for contrast in contrasts:
        header = nibabel.Nifti1Image(np.ones(SHAPE, np.float32), np.eye(4)).header
        header.set_sform(np.eye(4), 4 if contrast in in_mni else 1)
        found[contrast] = NativeImage(Path(contrast), np.ones(SHAPE, np.float32), np.eye(4), header, "")
    return found


def is_in_mni(image: NativeImage) -> bool:
    return int(image.header["sform_code"]) == 4


def alignment(scores: Mapping[str, float] | None = None, mode: str = "auto") -> tuple[Alignment, PlayedRegistration]:
    played = PlayedRegistration(scores or {})
    return Alignment(played, is_in_mni, LOWEST, mode), played


def test_images_in_mni_space_are_left_alone():
    align, played = alignment()
    aligned = align(images("t1w", "flair", in_mni=("t1w", "flair")))
    assert (aligned.to_mni, aligned.found, played.calls) == ({}, {}, [])


def test_the_first_is_registered_to_the_template_and_the_others_to_it():
    align, played = alignment()
    aligned = align(images("t1w", "t2w", "flair"))
    assert [(to, what, scaled) for to, what, _, scaled in played.calls] == [
        ("template", "t1w", True),
        ("t1w", "t2w", False),
        ("t1w", "flair", False),
    ]
    for contrast, matrix in aligned.to_mni.items():
        np.testing.assert_allclose(matrix, np.linalg.inv(TRUTH[contrast]), atol=1e-9)
    assert list(aligned.to_mni) == ["t1w", "t2w", "flair"]
    assert aligned.found["flair"] == {"to": "t1w", "score": 1.3, "overlap": 0.9}
    assert aligned.found["t1w"]["to"] == "the MNI152 template"


def test_contrasts_are_compared_where_the_brain_is():
    align, played = alignment()
    align(images("t1w", "t2w"))
    (_, _, brain, _), (_, _, moved, _) = played.calls
    assert brain is load_template_brain(4).region
    np.testing.assert_allclose(moved, TRUTH["t1w"][:3, :3] @ brain + TRUTH["t1w"][:3, 3:], atol=1e-9)


def test_raw_ones_are_registered_to_what_lies_in_mni_space():
    align, played = alignment()
    aligned = align(images("t1w", "t2w", in_mni=("t2w",)))
    # The world of the T2w is MNI152's, which this truth does not know.
    assert [call[:2] for call in played.calls] == [("t2w", "t1w")]
    assert played.calls[0][2] is not None
    assert list(aligned.to_mni) == ["t1w"]


def test_rigid_takes_all_for_raw():
    align, _ = alignment(mode="rigid")
    assert list(align(images("t1w", "t2w", in_mni=("t1w", "t2w"))).to_mni) == ["t1w", "t2w"]


def test_where_the_first_does_not_fit_the_template_the_next_is_tried():
    align, played = alignment({"t1w": 1.05})
    with pytest.raises(InputError, match="image t1w could not be registered to t2w: the score must be at least 1.2"):
        align(images("t1w", "t2w"))
    assert [call[:2] for call in played.calls] == [("template", "t1w"), ("template", "t2w"), ("t2w", "t1w")]


def test_the_best_of_those_that_do_not_fit_is_named():
    align, _ = alignment({"t1w": 1.02, "t2w": 1.04, "flair": 1.03})
    words = "image t2w could not be registered to the MNI152 template: the score must be at least 1.1, it is 1.0400"
    with pytest.raises(InputError, match=words):
        align(images("t1w", "t2w", "flair"))


def test_a_mode_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="`registration` must be one of none, auto, rigid, got affine"):
        alignment(mode="affine")
