import pytest
import torch

from scripts.base.errors import InputError
from scripts.base.weights import save_weights
from scripts.harmonize.name_targets import NamedTargetsMaker
from scripts.jobs.targets import StoredCode, resolve_targets, target_names
from scripts.methods.ssim.code import SsimCode
from scripts.methods.ssim.inferer import FieldInferer
from scripts.methods.ssim.method import SsimMethod
from scripts.methods.ssim.styles import known_styles

from .test_field import ball
from .tiny import STYLES, tiny_net


def method(**options) -> SsimMethod:
    return SsimMethod("ssim", tiny_net(), FieldInferer((8, 8, 8)), **options)


def test_every_style_every_label_of_one_style_and_none_have_names():
    named = method().named_targets
    assert target_names(named) == [
        *("scanner:A+site:S", "scanner:A", "scanner:B+site:S", "scanner:B"),
        *("scanner:C.5+site:T", "scanner:C.5", "site:T", "agnostic"),
    ]
    assert named["scanner:A"]["t1w"].numbers == named["scanner:A+site:S"]["t1w"].numbers
    values = named["agnostic"]["t1w"].numbers["labels"].values()
    assert list(values) == [-1.0] * 5


def test_a_name_needs_no_image_and_others_are_refused_with_those_that_are_known():
    named = method().named_targets
    stored = resolve_targets("site:T", None, None, named)["t1w"]
    code = method().read_code(stored)
    assert code.labels == {"scanner:A": -1, "scanner:B": -1, "scanner:C.5": 1, "site:S": -1, "site:T": 1}
    assert code.noise == (0.0, 0.0) and code.contrast == "t1w"
    known = "scanner:A.*scanner:C.5, site:T, agnostic"
    # Both scanners stand at the site S.
    for name in ("site:S", "site:Oslo", "scanner:Z"):
        with pytest.raises(InputError, match=f"target `{name}` must be .*{known}"):
            resolve_targets(name, None, None, named)


def test_noise_of_a_label_is_zero_or_drawn_or_the_sources():
    drawn = method(noise="drawn", seed=3).named_targets["scanner:A"]["t1w"].numbers["noise"]
    assert drawn == method(noise="drawn", seed=3).named_targets["scanner:B"]["t1w"].numbers["noise"]
    assert drawn != method(noise="drawn", seed=4).named_targets["scanner:A"]["t1w"].numbers["noise"]
    own = method(noise="source")
    code = own.read_code(own.named_targets["scanner:A"]["t1w"])
    assert code.noise is None and own.for_network(code).noise is None
    data = {"image": ball(), "available": torch.tensor([True, False, False, False])}
    (result,) = own.harmonize(data, [code])
    noise = own.encode(ball(), "t1w").noise
    (same,) = own.harmonize(data, [SsimCode(contrast="t1w", noise=noise, labels=code.labels)])
    torch.testing.assert_close(result.image, same.image)
    with pytest.raises(InputError, match="`noise` must be one of zero, drawn, source, got some"):
        method(noise="some")


def test_codes_have_a_mean():
    codes = [
        SsimCode(contrast="t1w", noise=(1.0, 3.0), labels={"site:A": 1.0}, scale=2.0, head=True),
        SsimCode(contrast="t1w", noise=(2.0, 5.0), labels={"site:A": 0.0}, scale=4.0, head=True),
    ]
    mean = SsimCode.mean(codes, origin="two")
    assert (mean.noise, dict(mean.labels), mean.scale, mean.head) == ((1.5, 4.0), {"site:A": 0.5}, 3.0, True)
    assert mean.describe() == {"appearance": [1.5, 4.0, 0.5]}
    own = SsimCode(contrast="t1w", noise=None, labels={"site:A": 1.0})
    assert SsimCode.mean([codes[0], own]).noise is None


def test_contrasts_that_were_not_trained_and_wrong_codes_are_refused():
    with pytest.raises(InputError, match="`contrast` must be the one that was trained on, t1w, got flair"):
        method().encode(ball(), "flair")
    labels = dict.fromkeys(method().network.labels, 1.0)
    for contrast, numbers, words in (
        ("flair", {"labels": labels}, "`contrast` must be the one that was trained on, t1w, got flair"),
        ("t1w", {"labels": labels, "nois": [1]}, "unknown key `nois`; did you mean `noise`"),
        ("t1w", {"labels": {"scanner:A": 1.0}}, "`labels` must be a number for each of scanner:A, .*site:T"),
        ("t1w", {"labels": labels, "noise": [1.0]}, "`noise` must be a list of 2 finite numbers, or left out"),
    ):
        stored = StoredCode(contrast, numbers, name="mine", method="ssim")
        with pytest.raises(InputError, match=f"target code mine: {words}"):
            method().read_code(stored)


def test_names_that_are_known_already_are_not_written():
    maker = NamedTargetsMaker("cohort", method().named_targets, None, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`named_targets` must be a file to write to"):
        maker.run()


def test_weights_know_their_styles(tmp_path):
    save_weights(tiny_net().state_dict(), tmp_path / "ssim.pt")
    assert known_styles(None, tmp_path / "ssim.pt", False, "train") == STYLES
    assert known_styles([["site:A"], ["site:B"]], "nowhere.pt", True, "") == [["site:A"], ["site:B"]]
    with pytest.raises(InputError, match="nowhere.pt does not exist; train it"):
        known_styles(None, "nowhere.pt", False, "train it")
    with pytest.raises(InputError, match="`styles` must be given where weights are random"):
        known_styles(None, "nowhere.pt", True, "")
    save_weights({"weight": torch.ones(1)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="must be of this method, it names no styles; train it"):
        known_styles(None, tmp_path / "other.pt", False, "train it")
