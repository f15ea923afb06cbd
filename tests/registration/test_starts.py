"""Registration from afar: phantoms, where the truth is known, and real scans, where starts must agree."""

from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigParser

from scripts.bench.known_motions import Placed, furthest, placed, random_motions
from scripts.bench.registration import examples
from scripts.images.nifti import read_image
from scripts.registration.alignment import Alignment
from scripts.registration.template import load_template_brain

BUNDLE = Path(__file__).parents[2]
# Of the brain's outline in mm, as far as a start may be from where another one ends.
LARGEST_ERROR_MM = 1.0
RAW_SCANS = (
    "bids/sub-lh01/anat/sub-lh01_T1w.nii.gz",
    "bids/sub-lh02/anat/sub-lh02_T1w.nii.gz",
    "bids/sub-dep01/anat/sub-dep01_T1w.nii.gz",
    "bids/sub-dep68/anat/sub-dep68_T1w.nii.gz",
    "bids/sub-ms12/ses-1/anat/sub-ms12_ses-1_T1w.nii.gz",
    "bids/sub-ms12/ses-2/anat/sub-ms12_ses-2_T2w.nii.gz",
    "bids/sub-ms12/ses-2/anat/sub-ms12_ses-2_FLAIR.nii.gz",
)


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    """As inference.json has it."""
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    return parser.get_parsed_content("alignment")


def errors_of_phantoms(alignment: Alignment, people: int, starts: int) -> list[tuple[float, float]]:
    """Error and score of each example."""
    found = []
    for example in examples(people, starts):
        registered = alignment.registration(example.fixed, example.moving, example.points)
        found.append((furthest(registered.matrix, example.motion, example.points), registered.score))
    return found


def test_contrasts_of_a_phantom_are_brought_together(alignment):
    for error, score in errors_of_phantoms(alignment, people=1, starts=1):
        assert error < LARGEST_ERROR_MM
        assert score > alignment.lowest_scores["contrast"]


@pytest.mark.slow
def test_contrasts_and_sessions_of_phantoms_meet_from_fifty_starts(alignment):
    found = errors_of_phantoms(alignment, people=2, starts=25)
    print("errors of phantoms, mm, and scores:", [(round(e, 2), round(s, 4)) for e, s in found])
    errors, scores = np.array(found).T
    assert np.mean(errors <= LARGEST_ERROR_MM) >= 0.95
    right = scores[errors <= LARGEST_ERROR_MM]
    assert right.min() > alignment.lowest_scores["contrast"]


@pytest.mark.slow
@pytest.mark.parametrize("scan", RAW_SCANS)
def test_real_scans_come_to_the_template_from_every_start(alignment, real_data, scan):
    template, image = load_template_brain(alignment.rim_mm), read_image(real_data / scan)
    ends, scores = [], []
    for motion in [np.eye(4), *random_motions(4, seed=1)]:
        registered = alignment.registration(template, placed(image, motion), template.region, scaled=True)
        # Where a place of the template is found in the scan as it was.
        ends.append(np.linalg.inv(motion) @ registered.matrix)
        scores.append(registered.score)
    apart = [furthest(end, ends[0], template.region[:, ::50]) for end in ends[1:]]
    print(scan, "apart, mm:", np.round(apart, 2), "scores:", np.round(scores, 4))
    assert max(apart) <= LARGEST_ERROR_MM
    assert min(scores) > alignment.lowest_scores["template"]


@pytest.mark.slow
def test_what_is_no_head_is_refused(alignment):
    rng = np.random.default_rng(0)
    noise = Placed(rng.random((96, 96, 96), dtype=np.float32), np.diag([2.0, 2, 2, 1]))
    template = load_template_brain(alignment.rim_mm)
    registered = alignment.registration(template, noise, template.region, scaled=True)
    print("score of noise:", registered.score)
    assert registered.score < alignment.lowest_scores["template"]
