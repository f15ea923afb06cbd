import pytest
import torch

from scripts.base.errors import InputError
from scripts.inferers.slices import SliceInferer
from scripts.jobs.targets import StoredCode
from scripts.methods.mispel.method import MispelCode, MispelMethod
from scripts.methods.mispel.network import Mispel


@pytest.fixture
def method() -> MispelMethod:
    torch.manual_seed(0)
    return MispelMethod("mispel", Mispel(("A", "B"), width=2).eval(), SliceInferer())


def test_it_has_no_targets_and_knows_some_scanners_alone(method):
    can = method.can
    assert not (can.targets or can.any_scanner or can.stored_codes or can.imputes or can.companions)


def test_the_code_is_the_scanner(method):
    code = method.middle_ground("t1w", "B")
    assert isinstance(code, MispelCode) and (code.contrast, code.scanner) == ("t1w", "B")
    assert method.for_network(code) == "B"
    assert code.numbers() == {"scanner": "B"} and code.describe() == {} and MispelCode.mean([code]) is code


def test_a_scan_goes_the_way_of_its_scanner(method):
    sources = torch.zeros(4, 16, 16, 3)
    sources[0] = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    data = {"image": sources, "available": torch.tensor([True, False, False, False])}
    codes = [method.middle_ground("t1w", scanner) for scanner in "AB"]
    results = method.harmonize(data, codes)
    expected = method.inferer.harmonize(sources, method.network, ["A", "B"], data["available"])
    assert all(torch.equal(one.image, other.image) for one, other in zip(results, expected, strict=True))
    assert not torch.equal(results[0].image, results[1].image)


@pytest.mark.parametrize(
    ("contrast", "scanner", "words"),
    [
        ("t1w", "D", "a scan must be of a scanner that MISPEL was trained on, A, B, got D"),
        ("t1w", None, "a scan must be of a scanner .* A, B, got None"),
        ("flair", "A", "`contrast` must be the one that MISPEL was trained on, t1w, got flair"),
    ],
)
def test_scans_that_it_does_not_know_are_refused(method, contrast, scanner, words):
    with pytest.raises(InputError, match=words):
        method.middle_ground(contrast, scanner)


def test_a_target_is_refused(method):
    with pytest.raises(InputError, match="to a middle ground and takes no target, got an image"):
        method.encode(torch.rand(4, 4, 4, 4), "t1w")
    with pytest.raises(InputError, match="takes no target, got the code siemens_3t"):
        method.read_code(StoredCode("t1w", {"theta": [0.0], "eta": [0.0]}, name="siemens_3t"))
