from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.inferers.harmonization import Harmonized
from scripts.jobs.targets import StoredCode
from scripts.layers.tone_curve import ToneCurve
from scripts.methods.haca3.carry_detail import Redrawing
from scripts.methods.haca3.code import Haca3Code
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.levels import LevelCalibration
from scripts.methods.haca3.method import Haca3Method
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.tone import ToneCalibration
from scripts.methods.haca3.triplanar import TriPlanarInferer

from .own_parts import own_haca3_plus
from .small import FIELD_OF_VIEW, small_haca3_plus, small_subject, two_targets

# Of T1w, T2w and FLAIR, but not of PD.
AVAILABLE = torch.tensor([True, True, False, True])
CURVE = ToneCurve((0.5, 1.0), (0.4, 1.2))


class CountingInferer(TriPlanarInferer):
    """Keeps the targets of each pass."""

    def __init__(self) -> None:
        super().__init__(MedianFusion())
        self.passes: list[list[Tensor]] = []

    def harmonize(self, image: Tensor, network: Any, targets: Any, available: Tensor | None = None) -> list[Harmonized]:
        self.passes.append(list(targets))
        return super().harmonize(image, network, targets, available)


class Carrying:
    """In place of what carries detail: keeps what it was given, and doubles volumes."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, Redrawing]] = []

    def __call__(self, volume: Tensor, source: Tensor, redrawing: Redrawing) -> Tensor:
        self.calls.append((volume, source, redrawing))
        return 2 * volume


@pytest.fixture(scope="module")
def network() -> Haca3:
    return small_haca3_plus(target_slices=4)


@pytest.fixture(scope="module")
def soft_network() -> Haca3:
    """One that can have levels, and whose images are nowhere black."""
    torch.manual_seed(0)
    network = own_haca3_plus(field_of_view=FIELD_OF_VIEW, anatomy_base=2, target_slices=3).double().eval()
    network.decoder.head.bias.data += 1
    return network


def method(network: Haca3, **options: Any) -> Haca3Method:
    return Haca3Method("haca3plus", network, CountingInferer(), **options)


def codes(*contrasts: str, tone: ToneCurve | None = None) -> list[Haca3Code]:
    numbers = [tuple(target[0].tolist()) for target in two_targets()]
    return [
        Haca3Code(contrast=contrast, theta=numbers[i % 2][:2], eta=numbers[i % 2][2:], tone=tone)
        for i, contrast in enumerate(contrasts)
    ]


def subject() -> dict[str, Tensor]:
    return {"image": small_subject(), "available": AVAILABLE}


def images(results: Sequence[Harmonized]) -> list[Tensor]:
    return [result.image for result in results]


def assert_all_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_sources_that_there_are_are_redrawn_with_their_own_codes_beside_the_targets(network):
    detail, data = Carrying(), subject()
    haca3, goals = method(network, detail=detail), codes("t1w", "pd", "flair")
    results = haca3.harmonize(data, goals)
    own = network.encode_target(data["image"][None, 3:], "flair")
    # All in one pass, since the anatomy of the sources is then encoded once.
    assert [len(targets) for targets in haca3.inferer.passes] == [3 + 2]
    targets = [*map(haca3.for_network, goals), own]
    *alone, redrawn = images(TriPlanarInferer(MedianFusion()).harmonize(data["image"], network, targets, AVAILABLE))
    assert_all_close(images(results), [2 * alone[0], alone[1], 2 * alone[2]])
    first, second = detail.calls
    assert torch.equal(first[1], data["image"][0]) and torch.equal(second[1], data["image"][3])
    assert_all_close([first[0], second[0], second[2].image], [alone[0], alone[2], redrawn])
    assert second[2].severity == pytest.approx(own[0, 2:].norm().item())


def test_a_contrast_without_a_source_has_no_detail_to_carry(network):
    detail = Carrying()
    haca3 = method(network, detail=detail)
    haca3.harmonize(subject(), codes("pd"))
    assert not detail.calls and [len(targets) for targets in haca3.inferer.passes] == [1]


def test_without_detail_no_source_is_redrawn(network):
    haca3, data, goals = method(network), subject(), codes("t1w", "flair")
    results = haca3.harmonize(data, goals)
    assert [len(targets) for targets in haca3.inferer.passes] == [2]
    assert_all_close(images(haca3.finish(results, data, goals)), images(results))
    assert len(haca3.inferer.passes) == 1


def test_curves_mend_brightness_before_detail_is_carried_and_volumes_without_stay(network):
    detail, data = Carrying(), subject()
    plain = images(method(network).harmonize(data, codes("t1w", "pd")))
    bright = images(method(network).harmonize(data, codes("t1w", "pd", tone=CURVE)))
    assert_all_close(bright, [CURVE(image) for image in plain])
    method(network, detail=detail).harmonize(data, codes("t1w", tone=CURVE))
    torch.testing.assert_close(detail.calls[0][0], CURVE(plain[0]))


def test_what_the_inferer_gave_elsewhere_is_finished_in_the_same_way(network):
    haca3, data, goals = method(network, detail=Carrying()), subject(), codes("t1w", "pd", tone=CURVE)
    whole = haca3.harmonize(data, goals)
    given = haca3.inferer.harmonize(data["image"], network, [*map(haca3.for_network, goals)], AVAILABLE)
    finished = haca3.finish(given, data, goals)
    assert_all_close(images(finished), images(whole))
    # All but the image is what the inferer gave.
    assert finished[0].visible is given[0].visible and finished[0].features is given[0].features


def test_a_target_has_levels_where_they_can_be_needed_and_a_curve_where_the_run_has_one(soft_network):
    image, channel = small_subject(), 3
    with torch.inference_mode():
        tensor = soft_network.encode_target(image[None, channel, None], "flair")
        tone = ToneCalibration()(soft_network, image[channel], "flair", tensor)
        levels = LevelCalibration()(soft_network, image, "flair", tensor)
    assert tone is not None and levels is not None
    haca3 = method(soft_network, tone=ToneCalibration(), levels=LevelCalibration())
    code = haca3.encode(image, "flair", when_absent=True)
    assert [*code.theta, *code.eta] == tensor[0].tolist()
    assert (code.contrast, code.tone, code.levels, code.absent) == ("flair", tone, levels, False)
    assert haca3.encode(image, "flair").levels is None
    plain = method(soft_network).encode(image, "flair", when_absent=True)
    assert (plain.theta, plain.eta, plain.tone, plain.levels) == (code.theta, code.eta, None, None)
    assert haca3.describe_image(image[channel], "flair") == code.describe()


def test_the_network_makes_up_an_absent_contrast_with_levels(soft_network):
    levels = (0.1, 0.0, 0.0, 0.0, -0.2)
    (code,) = codes("pd", tone=CURVE)
    haca3 = method(soft_network, detail=Carrying())
    haca3.harmonize(subject(), [replace(code, levels=levels).when_absent()])
    ((target,),) = haca3.inferer.passes
    torch.testing.assert_close(target, torch.cat([two_targets()[0], torch.tensor([levels]).double()], 1))


def test_a_target_may_be_known_by_its_numbers(network):
    haca3 = method(network)
    code = haca3.read_code(StoredCode("t1w", {"theta": [0.5, -1], "eta": [2, 0]}, name="mine"))
    found = haca3.for_network(code)
    assert found.tolist() == [[0.5, -1, 2, 0]] and found.dtype == network.default_target.dtype
    words = r"target code mine: it must have \(2, 2\) numbers of theta and eta, it has \(2, 1\)"
    with pytest.raises(InputError, match=words):
        haca3.read_code(StoredCode("t1w", {"theta": [0.5, -1], "eta": [2]}, name="mine"))


def test_curve_and_levels_of_a_file_count_where_the_run_has_such(network):
    numbers = {"theta": [0.5, -1], "eta": [2, 0], "tone": {"made": [1.0], "wanted": [2.0]}, "levels": [0.1] * 5}
    stored = StoredCode("t1w", numbers, name="mine")
    both = method(network, tone=ToneCalibration(), levels=LevelCalibration()).read_code(stored)
    assert (both.tone, both.levels) == (ToneCurve((1.0,), (2.0,)), (0.1,) * 5)
    neither = method(network).read_code(stored)
    assert (neither.tone, neither.levels) == (None, None)


def test_levels_of_another_number_of_classes_are_refused(network):
    stored = StoredCode("t1w", {"theta": [0.5, -1], "eta": [2, 0], "levels": [0.1, 0.2]}, name="mine")
    with pytest.raises(InputError, match="target code mine must have 5 levels, one for each class of anatomy, it has"):
        method(network, levels=LevelCalibration()).read_code(stored)
    assert method(network).read_code(stored).levels is None


def test_what_it_can_do(network):
    can = method(network).can
    assert can.targets and can.stored_codes and can.imputes and can.any_scanner
    assert not can.companions and method(network, levels=LevelCalibration()).can.companions


def test_sources_are_described_without_harmonizing_them(network):
    haca3 = method(network)
    features = haca3.features(subject())
    header, rows = haca3.features_table({"": features})
    assert {"theta1", "eta2", "severity"} <= {*header} and len(rows) == len(features.severity)
    assert not haca3.inferer.passes


def test_all_that_decides_an_output_is_in_its_description(network):
    tone, levels, detail = ToneCalibration(), LevelCalibration(), Carrying()
    haca3 = method(network, tone=tone, levels=levels, detail=detail)
    assert haca3.describe() == {
        "name": "haca3plus",
        "network_def": network,
        "inferer": haca3.inferer,
        "tone": tone,
        "levels": levels,
        "detail": detail,
    }
