from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.base.weights import seed_weights
from scripts.experiments.cropping import beyond_field_of_view, middle_layers
from scripts.experiments.field_of_view import CROPS, FieldOfView, crop_of_person
from scripts.experiments.field_of_view_table import (
    BRAIN,
    CROPPED,
    CROPPED_PART,
    FULL,
    HARMONIZED,
    NONZERO,
    SIZE,
    TRUTH,
    UNHARMONIZED,
    UNSEEN,
    FieldOfViewRow,
    field_of_view_markdown,
)
from scripts.experiments.harmonized_volume import harmonized_volume
from scripts.harmonize.model_weights import ModelWeights
from scripts.methods.haca3plus.method import PlusMethod
from scripts.methods.haca3plus.network import HarmonizationNet
from scripts.methods.haca3plus.planes import PlanesInferer
from scripts.methods.haca3plus.sizes import AnatomySizes, CodeSizes
from scripts.metrics.image import psnr
from scripts.metrics.ssim import windowed_ssim

from .small_people import people

NARROW = {f"{part}_widths": (4, 6) for part in ("decoder", "identity", "artifact")}


class MakingUp(PlanesInferer):
    """Gives one number everywhere, also where no source shows anything."""

    calls = 0

    def harmonize(self, *given, **options):
        self.calls += 1
        results = super().harmonize(*given, **options)
        return [replace(result, image=torch.ones_like(result.image)) for result in results]


def experiment(
    folder: Path, inferer: PlanesInferer | None = None, crop_share: float = 0.3, common_crop: float = 0.3
) -> FieldOfView:
    network = HarmonizationNet(CodeSizes(theta=4), AnatomySizes(free=2, widths=(4, 6)), condition=8, **NARROW).eval()
    seed_weights(network, seed=1)
    return FieldOfView(
        people=people(subjects=1),
        weights=ModelWeights([network], random=True, seed=1),
        output_dir=str(folder),
        method=PlusMethod("haca3plus", network, inferer or PlanesInferer(orientations=("axial",))),
        metrics={"psnr": psnr, "ssim": windowed_ssim},
        crop_share=crop_share,
        common_crop=common_crop,
    )


def value(rows: list[FieldOfViewRow], method: str, region: str, reference: str, measure: str) -> float:
    (found,) = (
        r.value for r in rows if (r.method, r.region, r.reference, r.measure) == (method, region, reference, measure)
    )
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[FieldOfView, list[FieldOfViewRow]]:
    """The first person, whose T1w image ends at the front: 2 of 8 voxels are lost, and all images 2 at the back."""
    one = experiment(tmp_path_factory.mktemp("fov"))
    one.weights.load()
    return one, one.measure(0)


@pytest.mark.parametrize(
    ("side", "lost"),
    [
        ("anterior", (slice(None), slice(7, None))),
        ("left", (slice(5, None),)),
        ("right", (slice(None, 3),)),
        ("posterior", (slice(None), slice(None, 3))),
    ],
)
def test_a_share_of_the_brain_is_lost_on_one_side_up_to_the_border(side, lost):
    brain = torch.zeros(8, 10, 8, dtype=torch.bool)
    brain[1:7, 1:9, 1:7] = True
    expected = torch.zeros_like(brain)
    # 0.3 of 6 and of 8 voxels is 1.8 and 2.4.
    expected[lost] = True
    assert torch.equal(beyond_field_of_view(brain, side, 0.3), expected)


@pytest.mark.parametrize(
    ("number", "expected"), [(2, slice(3, 5)), (3, slice(2, 5)), (6, slice(1, 7)), (24, slice(1, 7))]
)
def test_the_middle_of_a_brain(number, expected):
    brain = torch.zeros(4, 4, 9, dtype=torch.bool)
    brain[2, 1, 1], brain[1, 2, 6] = True, True
    assert middle_layers(brain, number) == expected


def test_people_go_round_sources_and_sides():
    crops = [crop_of_person(number) for number in range(12)]
    assert Counter(crop.source for crop in crops) == {"t1w": 4, "t2w": 4, "flair": 4}
    assert Counter(crop.side for crop in crops) == {"anterior": 6, "left": 3, "right": 3}
    assert len(CROPS) == 6 and crops[1].side == "left" and crops[7].side == "right"


def harmonized(one: FieldOfView, sources: Tensor) -> np.ndarray:
    with torch.inference_mode():
        return harmonized_volume(one.method, sources, one.visits(0)[1].volumes, "t1w").numpy()


def test_what_the_first_source_lost_is_made_from_the_others(measured):
    one, rows = measured
    lost = one.visits(0)[1].volumes[0][1:7, 7:9, 1:7]
    assert {(row.cropped, row.side) for row in rows} == {("t1w", "anterior")}
    empty = -10 * float((lost**2).mean().log10())
    assert value(rows, CROPPED, CROPPED_PART, TRUTH, "psnr") != pytest.approx(empty, abs=0.1)


def test_images_are_compared_inside_what_some_source_shows(measured):
    one, rows = measured
    visit, other = one.visits(0)
    # The box is as high as the brain.
    seen = np.zeros((8, 10, 6), dtype=bool)
    seen[1:7, 3:9] = True
    image, truth = visit.volumes[0, ..., 1:7].numpy(), other.volumes[0, ..., 1:7].numpy()
    assert value(rows, UNHARMONIZED, BRAIN, TRUTH, "psnr") == pytest.approx(psnr(image, truth, seen))
    assert value(rows, UNHARMONIZED, BRAIN, TRUTH, "ssim") == pytest.approx(windowed_ssim(image, truth, seen).value)
    sources = visit.volumes[..., 1:7].clone()
    sources[2] = 0
    full = harmonized(one, sources)
    assert value(rows, FULL, BRAIN, TRUTH, "psnr") == pytest.approx(psnr(full, truth, seen))
    sources[0, :, 7:], sources[:, :, :3] = 0, 0
    cropped = harmonized(one, sources)
    assert value(rows, CROPPED, BRAIN, HARMONIZED, "psnr") == pytest.approx(psnr(cropped, full, seen))


def test_nothing_is_made_up_where_no_source_shows_anything(measured):
    _, rows = measured
    assert value(rows, "", UNSEEN, "", SIZE) == 6 * 2 * 6
    assert value(rows, CROPPED, UNSEEN, "", NONZERO) == 0


def test_what_is_made_up_is_counted(tmp_path):
    rows = experiment(tmp_path, MakingUp()).measure(0)
    # That PD shows a layer in front of the brain does not count.
    assert value(rows, CROPPED, UNSEEN, "", NONZERO) == 8 * 10 * 6 - 6 * 6 * 6


def test_a_second_run_harmonizes_nobody(tmp_path):
    first, second = MakingUp(), MakingUp()
    table = experiment(tmp_path, first).run()
    assert experiment(tmp_path, second).run() == table
    assert (first.calls, second.calls) == (2, 0)


def made_up(gains: list[float]) -> list[FieldOfViewRow]:
    """What is made of cropped views is better by these gains (dB) than what was acquired; the sides alternate."""
    rows = []
    for number, gain in enumerate(gains):
        about = (f"sub-{number}", "A", "B", "t1w", ("anterior", "left")[number % 2])
        for method, found in ((UNHARMONIZED, 20.0), (FULL, 30.0), (CROPPED, 20.0 + gain)):
            rows.append(FieldOfViewRow(*about, method, CROPPED_PART, TRUTH, "psnr", found))
            rows.append(FieldOfViewRow(*about, method, CROPPED_PART, TRUTH, "ssim", 0.5))
        rows.append(FieldOfViewRow(*about, CROPPED, CROPPED_PART, HARMONIZED, "psnr", 40.0))
        rows.append(FieldOfViewRow(*about, "", UNSEEN, "", SIZE, 100.0 + number))
        rows.append(FieldOfViewRow(*about, CROPPED, UNSEEN, "", NONZERO, 2.0))
    return rows


def test_table_has_means_and_deviations():
    table = field_of_view_markdown(made_up([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).splitlines()
    heads = "region | compared with | measure ↑ | unharmonized, full | harmonized, full | harmonized, cropped"
    assert table[0] == f"| {heads} |"
    assert table[2] == "| cropped part | truth | PSNR | 20.000 ± 0.000 | 30.000 ± 0.000 | 23.500 ± 1.871 |"
    assert table[3] == "| cropped part | truth | SSIM | 0.500 ± 0.000 | 0.500 ± 0.000 | 0.500 ± 0.000 |"
    assert table[4] == "| cropped part | harmonized full | PSNR |  |  | 40.000 ± 0.000 |"
    assert table[5] == "" and "6 people" in table[6]


def test_table_tells_crops_apart_and_counts_what_is_made_up():
    table = field_of_view_markdown(made_up([1.0, 2.0, 3.0, 4.0]))
    assert "| t1w | anterior | 2 | 20.000 ± 0.000 | 22.000 ± 1.414 | 0.500 ± 0.000 | 0.500 ± 0.000 |" in table
    assert "| t1w | left or right | 2 | 20.000 ± 0.000 | 23.000 ± 1.414 |" in table
    assert "102 of a person's brain" in table and table.endswith("over all people: 8.\n")


@pytest.mark.parametrize("name", ["crop_share", "common_crop"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_wrong_shares_are_refused(tmp_path, name, share):
    with pytest.raises(InputError, match=f"`{name}` must be between 0 and 1, got {share}"):
        experiment(tmp_path, **{name: share})
