"""What methods and codes do by themselves, without a word of any method that there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pytest
import torch
from torch import Tensor, nn

from scripts.base.errors import InputError
from scripts.inferers.harmonization import HarmonizationInferer, Harmonized
from scripts.jobs.targets import StoredCode, read_target_code, write_target_code
from scripts.methods.base import Abilities, Code, Method

IMAGE = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
STORED = StoredCode("t1w", {"gain": 2.0}, name="mine")


@dataclass(frozen=True, eq=False, kw_only=True)
class GainCode(Code):
    """How bright a target is."""

    method: ClassVar[str] = "gain"

    gain: float

    def numbers(self) -> dict[str, Any]:
        return {"gain": self.gain}

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        return cls(contrast=codes[0].contrast, gain=sum(code.gain for code in codes) / len(codes), **origin)


class TellingCode(GainCode):
    """One that tells of artifacts too."""

    def describe(self) -> dict[str, list[float]]:
        return {"appearance": [self.gain], "artifacts": [3.0, -4.0]}


class GainInferer(HarmonizationInferer):
    """Multiplies the first source."""

    def harmonize(
        self, image: Tensor, network: Any, targets: Sequence[Any], available: Tensor | None = None
    ) -> list[Harmonized]:
        self.available = available
        return [Harmonized(gain * image[:1]) for gain in targets]


class GainMethod(Method):
    """Has no more than what every method must have."""

    parts = ("strength",)

    def __init__(self, **can: bool) -> None:
        self.name, self.network, self.inferer, self.strength = "gain", nn.Identity(), GainInferer(), 0.5
        self.abilities = Abilities(**can)

    @property
    def can(self) -> Abilities:
        return self.abilities

    def for_network(self, code: GainCode) -> float:
        return code.gain


class EncodingMethod(GainMethod):
    """Also encodes."""

    def encode(self, images: Tensor, contrast: str, when_absent: bool = False) -> GainCode:
        self.seen = images
        return TellingCode(contrast=contrast, gain=float(images.max()))


def code(**changes: Any) -> GainCode:
    return GainCode(**{"contrast": "t1w", "gain": 2.0, **changes})


def test_a_method_brings_images_to_targets_and_can_nothing_more_unless_it_says_so():
    assert Abilities() == Abilities(targets=True, stored_codes=False, imputes=False, any_scanner=True, companions=False)


def test_a_method_without_targets_refuses_images_and_codes():
    method = GainMethod(targets=False)
    with pytest.raises(InputError, match="^gain brings all scans to a middle ground and takes no target, got an image"):
        method.encode(torch.zeros(4, 2, 3, 4), "t1w")
    with pytest.raises(InputError, match="^gain brings all .* and takes no target, got the code mine$"):
        method.read_code(STORED)


def test_a_method_whose_codes_are_not_kept_refuses_them():
    with pytest.raises(InputError, match="^the target of gain must be an image, got the code mine$"):
        GainMethod().read_code(STORED)


def test_a_method_with_targets_has_no_middle_ground():
    with pytest.raises(InputError, match="^`middle_ground` is for methods without targets, gain needs one$"):
        GainMethod().middle_ground("t1w", "A")


def test_one_result_comes_for_each_code_in_the_form_that_the_inferer_takes():
    method = GainMethod()
    data = {"image": IMAGE.expand(4, -1, -1, -1), "available": torch.tensor([True, True, False, False])}
    results = method.harmonize(data, [code(gain=2.0), code(gain=3.0)])
    for result, gain in zip(results, (2, 3), strict=True):
        torch.testing.assert_close(result.image, gain * IMAGE[None])
    assert method.inferer.available is data["available"]


def test_what_is_still_to_be_done_is_done_by_harmonize_too():
    class Finishing(GainMethod):
        def finish(self, results: Any, data: Any, codes: Any) -> list[Harmonized]:
            return [Harmonized(result.image + c.gain) for result, c in zip(results, codes, strict=True)]

    data = {"image": IMAGE.expand(4, -1, -1, -1), "available": torch.ones(4, dtype=torch.bool)}
    (result,) = Finishing().harmonize(data, [code(gain=2.0)])
    torch.testing.assert_close(result.image, 2 * IMAGE[None] + 2)
    given = [Harmonized(IMAGE[None])]
    assert GainMethod().finish(given, data, [code()]) == given


def test_an_image_is_described_by_its_code_as_the_only_one_of_its_visit():
    method = EncodingMethod()
    found = method.describe_image(IMAGE, "pd")
    assert found == {"appearance": [float(IMAGE.max())], "artifacts": [3.0, -4.0]}
    assert method.seen.shape == (4, *IMAGE.shape)
    assert torch.equal(method.seen[2], IMAGE) and not method.seen[[0, 1, 3]].any()


def test_a_method_tells_nothing_of_sources_unless_it_can():
    assert GainMethod().features({}) is None
    with pytest.raises(InputError, match="gain has no features of sources"):
        GainMethod().features_table({})


def test_all_that_decides_an_output_is_in_the_description():
    method = GainMethod()
    assert list(method.describe().items()) == [
        ("name", "gain"),
        ("network_def", method.network),
        ("inferer", method.inferer),
        ("strength", 0.5),
    ]


def test_severity_is_the_norm_of_what_a_code_tells_of_artifacts():
    assert code().describe() == {} and code().severity() is None
    assert TellingCode(contrast="t1w", gain=2.0).severity() == pytest.approx(5)


def test_a_code_is_the_same_for_subjects_who_lack_the_contrast():
    one = code()
    assert one.when_absent() is one


def test_a_file_holds_the_numbers_of_a_code_its_method_and_what_all_have(tmp_path):
    one = code(scale=3.0, head=False, origin="two images", weights="5d1f", name="site")
    assert one.to_json() == {
        "contrast": "t1w",
        "gain": 2.0,
        "scale": 3.0,
        "origin": "two images",
        "weights": "5d1f",
        "head": False,
        "method": "gain",
    }
    write_target_code(tmp_path / "site.json", one.to_json())
    assert read_target_code(tmp_path / "site.json") == StoredCode(
        "t1w", {"gain": 2.0}, 3.0, "two images", "5d1f", "site.json", False, "gain"
    )


@pytest.mark.parametrize("missing", ["can", "for_network"])
def test_a_method_must_say_what_it_can_do_and_what_its_inferer_takes(missing):
    kind = type("Lacking", (GainMethod,), {missing: getattr(Method, missing)})
    with pytest.raises(TypeError, match=f"abstract method '?{missing}"):
        kind()


@pytest.mark.parametrize("missing", ["numbers", "mean"])
def test_a_code_must_have_numbers_and_a_mean(missing):
    kind = type("Lacking", (GainCode,), {missing: vars(Code)[missing]})
    with pytest.raises(TypeError, match=f"abstract method '?{missing}"):
        kind(contrast="t1w", gain=1.0)
