from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.experiments.cropping import beyond_field_of_view, middle_layers
from scripts.experiments.field_of_view import CROPS, FieldOfView, crop_of_person
from scripts.experiments.field_of_view_table import (
    BRAIN,
    CROPPED_PART,
    FULL,
    HACA3,
    HACA3_PLUS,
    HARMONIZED,
    NONZERO,
    SIZE,
    TRUTH,
    UNHARMONIZED,
    UNSEEN,
    FieldOfViewRow,
    field_of_view_markdown,
)
from scripts.inferers.harmonization import HarmonizationInferer, Harmonized
from scripts.methods.haca3.attention import CodeAttention, ScalarAttention
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.triplanar import TriPlanarInferer
from scripts.metrics.image import psnr
from scripts.metrics.ssim import windowed_ssim

from .small_people import narrow_haca3_plus, people, random_weights


class Flat(HarmonizationInferer):
    """Gives one number everywhere, also where no source shows anything; with every call another one."""

    def __init__(self) -> None:
        self.calls = 0

    def harmonize(
        self, image: Tensor, network: Any, targets: Sequence[Any], available: Tensor | None = None
    ) -> list[Harmonized]:
        self.calls += 1
        return [Harmonized(torch.full_like(image[:1], self.calls)) for _ in targets]


def experiment(
    folder: Path, network: Haca3 | None = None, inferer: Any = None, crop_share: float = 0.3, common_crop: float = 0.3
) -> FieldOfView:
    network = network or narrow_haca3_plus()
    return FieldOfView(
        people=people(subjects=1),
        network=network,
        weights=random_weights(network),
        output_dir=str(folder),
        inferer=inferer or TriPlanarInferer(MedianFusion()),
        haca3_inferer=inferer or TriPlanarInferer(MedianFusion()),
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


def test_haca3_leaves_empty_what_its_first_source_lost(measured):
    one, rows = measured
    truth = one.visits(0)[1].volumes[0]
    lost = truth[1:7, 7:9, 1:7]
    assert {(row.cropped, row.side) for row in rows} == {("t1w", "anterior")}
    assert value(rows, HACA3, CROPPED_PART, TRUTH, "psnr") == pytest.approx(-10 * float((lost**2).mean().log10()))
    assert value(rows, HACA3_PLUS, CROPPED_PART, TRUTH, "psnr") != pytest.approx(
        value(rows, HACA3, CROPPED_PART, TRUTH, "psnr"), abs=0.1
    )


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
    code = one.network.encode_target(other.volumes[None, :1], "t1w")
    full = one.inferer.harmonize(sources, one.network, [code])[0].image[0].numpy()
    assert value(rows, FULL, BRAIN, TRUTH, "psnr") == pytest.approx(psnr(full, truth, seen))
    sources[0, :, 7:], sources[:, :, :3] = 0, 0
    plus = one.inferer.harmonize(sources, one.network, [code])[0].image[0].numpy()
    assert value(rows, HACA3_PLUS, BRAIN, HARMONIZED, "psnr") == pytest.approx(psnr(plus, full, seen))


def test_nothing_is_made_up_where_no_source_shows_anything(measured):
    _, rows = measured
    assert value(rows, "", UNSEEN, "", SIZE) == 6 * 2 * 6
    assert [value(rows, method, UNSEEN, "", NONZERO) for method in (HACA3_PLUS, HACA3)] == [0, 0]


def test_what_is_made_up_is_counted(tmp_path):
    rows = experiment(tmp_path, inferer=Flat()).measure(0)
    # That PD shows a layer in front of the brain does not count.
    outside = 8 * 10 * 6 - 6 * 6 * 6
    assert [value(rows, method, UNSEEN, "", NONZERO) for method in (HACA3_PLUS, HACA3)] == [outside, outside]


def test_both_methods_have_the_weights_that_were_loaded(measured):
    one, _ = measured
    ours, theirs = one.network.state_dict(), one.haca3.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert isinstance(one.haca3.attention, ScalarAttention) and not one.haca3.attention.alpha.training


def test_a_second_run_harmonizes_nobody(tmp_path):
    first, second = Flat(), Flat()
    table = experiment(tmp_path, inferer=first).run()
    assert experiment(tmp_path, inferer=second).run() == table
    assert (first.calls, second.calls) == (3, 0)


def made_up(gains: list[float]) -> list[FieldOfViewRow]:
    """HACA3+ is better by these gains (dB); the sides alternate."""
    rows = []
    for number, gain in enumerate(gains):
        about = (f"sub-{number}", "A", "B", "t1w", ("anterior", "left")[number % 2])
        for method, found in ((UNHARMONIZED, 10.0), (FULL, 30.0), (HACA3_PLUS, 20.0 + gain), (HACA3, 20.0)):
            rows.append(FieldOfViewRow(*about, method, CROPPED_PART, TRUTH, "psnr", found))
            rows.append(FieldOfViewRow(*about, method, CROPPED_PART, TRUTH, "ssim", 0.5))
        rows.append(FieldOfViewRow(*about, "", UNSEEN, "", SIZE, 100.0 + number))
        rows += [FieldOfViewRow(*about, m, UNSEEN, "", NONZERO, n) for m, n in ((HACA3_PLUS, 0.0), (HACA3, 2.0))]
    return rows


def test_table_has_means_gain_and_corrected_p():
    table = field_of_view_markdown(made_up([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), significance=0.07).splitlines()
    heads = "region | compared with | measure ↑ | unharmonized, full | HACA3+, full | HACA3+, cropped | HACA3, cropped"
    assert table[0] == f"| {heads} | gain | p |"
    same = "10.000 ± 0.000 | 30.000 ± 0.000 | 23.500 ± 1.871 | 20.000 ± 0.000"
    # Six gains of one sign: 2 of 2^6 sign patterns are as extreme, and there are two tests.
    assert table[2] == f"| cropped part | truth | PSNR | {same} | +3.500 | 0.062\\* |"
    assert table[3].startswith("| cropped part | truth | SSIM | 0.500 ± 0.000 |")
    assert table[3].endswith("| +0.000 | 1 |")
    assert table[4] == "" and "6 people" in table[5]


def test_table_tells_crops_apart_and_counts_what_is_made_up():
    table = field_of_view_markdown(made_up([1.0, 2.0, 3.0, 4.0]), significance=0.05)
    assert "| t1w | anterior | 2 | 22.000 ± 1.414 | 20.000 ± 0.000 | 0.500 ± 0.000 | 0.500 ± 0.000 |" in table
    assert "| t1w | left or right | 2 | 23.000 ± 1.414 | 20.000 ± 0.000 |" in table
    assert "102 of a person's brain" in table and table.endswith("HACA3+ 0, HACA3 8.\n")


@pytest.mark.parametrize("name", ["crop_share", "common_crop"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_wrong_shares_are_refused(tmp_path, name, share):
    with pytest.raises(InputError, match=f"`{name}` must be between 0 and 1, got {share}"):
        experiment(tmp_path, **{name: share})


def test_a_network_that_is_not_haca3_plus_is_refused(tmp_path):
    network = narrow_haca3_plus(ScalarAttention(CodeAttention()))
    with pytest.raises(
        InputError, match="`network_def#attention` must be a ForegroundAttention, got a ScalarAttention"
    ):
        experiment(tmp_path, network=network)
