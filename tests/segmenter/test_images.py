import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.metrics.segmentation_atlas import STRUCTURES
from scripts.metrics.segmentation_network import MIDDLE
from scripts.segmenter.anatomies import SimulatedAnatomies
from scripts.segmenter.contrast import ContrastLaw
from scripts.segmenter.images import LabelledImages, WindowLaw
from scripts.segmenter.scan import ScanLaw

from .ball_people import GREY_MATTER, KINDS, VENTRICLES, WHITE_MATTER

SMALL = WindowLaw((24, 40, 32), reach_mm=(20.0, 20.0, 20.0))


def images(balls: SimulatedAnatomies, **options) -> LabelledImages:
    given = {"window": SMALL, "batch": 2, "steps": 3, **options}
    return LabelledImages(balls, contrasts=ContrastLaw(KINDS), scans=ScanLaw(noise=(0.0, 0.01)), **given)


def test_without_a_pose_a_window_shows_the_person_or_the_mirrored_one():
    law = WindowLaw((32, 32, 32), reach_mm=(0.0, 0.0, 0.0), turn_deg=0.0, stretch=0.0)
    found = {float(law.draw(np.random.default_rng(seed))[1][0, 0, 0, 0]) for seed in range(8)}
    box, places = law.draw(np.random.default_rng(0))
    assert [side.start for side in box] == [80, 100, 68] and all(side.stop - side.start == 32 for side in box)
    # Mirrored about the voxel between the hemispheres.
    assert found == {80.0, 2.0 * MIDDLE[0] - 80}
    assert places[1, 0, :2, 0].tolist() == pytest.approx([100.0, 101.0])


def test_windows_stay_in_the_grid_and_start_where_a_larger_voxel_does():
    law = WindowLaw((96, 96, 96), reach_mm=(96.0, 112.0, 96.0))
    for seed in range(30):
        box, _ = law.draw(np.random.default_rng(seed))
        assert all(side.start % 2 == 0 and side.start >= 0 for side in box)
        assert all(side.stop <= size for side, size in zip(box, (192, 224, 192), strict=True))


def test_a_batch_shows_tissues_as_bright_as_their_labels_say(balls):
    batch = next(iter(images(balls)))
    assert batch["image"].shape == batch["label"].shape == (2, 1, 24, 40, 32)
    assert batch["prior"].shape == (2, len(STRUCTURES), 12, 20, 16)
    for image, label in zip(batch["image"], batch["label"], strict=True):
        white, grey = (image[label == region].mean() for region in (WHITE_MATTER, GREY_MATTER))
        assert white > 1.2 * grey
    fluid = batch["image"][batch["label"] == VENTRICLES]
    assert fluid.numel() and fluid.mean() < 0.6


def test_the_prior_is_that_of_where_the_window_lies(balls):
    window = WindowLaw((96, 96, 96), reach_mm=(0.0, 0.0, 0.0))
    batch = next(iter(images(balls, window=window, batch=1)))
    ventricles = batch["prior"][0, STRUCTURES.index("ventricles")]
    # The middle of the box lies in the middle of the brain, where the ventricles are.
    assert ventricles[20:28, 20:32, 20:32].max() > 0.5 > ventricles[:4].max()


def test_an_image_depends_on_its_number_alone(balls):
    first, again = (list(images(balls)) for _ in range(2))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    assert len({float(batch["image"].sum()) for batch in first}) == 3
    later = images(balls, steps=1)
    later.set_epoch(3)
    assert torch.equal(next(iter(later))["image"], first[2]["image"])
    second_process = images(balls)
    second_process.set_epoch(1, process=1, processes=2)
    assert torch.equal(next(iter(second_process))["image"], first[1]["image"])


def test_held_out_people_are_not_trained_on(balls):
    def people(held_out: bool) -> set[str]:
        window = WindowLaw((8, 8, 8))
        batches = images(balls, held_out=held_out, window=window, batch=8, steps=2)
        return {name for batch in batches for name in batch["subject"]}

    assert people(False) == {"person 1", "person 2", "person 3"}
    assert people(True) == {"person 4", "person 5"}


def test_sizes_are_checked(balls):
    with pytest.raises(InputError, match="`batch` must be a whole number of at least 1, got 0"):
        images(balls, batch=0)
