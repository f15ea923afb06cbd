import pytest
import torch
from monai.networks.schedulers import DDIMScheduler

from scripts.base.errors import InputError
from scripts.base.steps import show_steps
from scripts.jobs.targets import StoredCode
from scripts.layers.carry_curve import CurveCarrier
from scripts.layers.tone_curve import CurveFinder
from scripts.methods.mmh.inferer import DiffusionInferer
from scripts.methods.mmh.method import MmhCode, MmhMethod
from scripts.methods.mmh.network import Mmh
from scripts.methods.mmh.sampling import DdimSampler

from .tiny import tiny_network


def method(network: Mmh | None = None, detail: CurveCarrier | None = None, **options) -> MmhMethod:
    scheduler = DDIMScheduler(1000, "scaled_linear_beta", clip_sample=False)
    inferer = DiffusionInferer(DdimSampler(scheduler, 6, 3, 2), **options)
    return MmhMethod("mmh", (network or tiny_network()).eval(), inferer, detail)


def sources() -> dict[str, torch.Tensor]:
    image = torch.zeros(4, 36, 30, 32)
    image[[0, 3], 8:28, 6:24, 8:26] = torch.rand(2, 20, 18, 18, generator=torch.Generator().manual_seed(0)) + 0.2
    return {"image": image, "available": torch.tensor([True, False, False, True])}


def test_it_has_no_targets_and_takes_any_scanner():
    can = method().can
    assert can.any_scanner
    assert not (can.targets or can.stored_codes or can.imputes or can.companions)


def test_the_code_is_the_domain_of_the_weights():
    code = method().middle_ground("flair", "whatever")
    assert isinstance(code, MmhCode) and method().for_network(code) == "flair"
    assert code.numbers() == {} and MmhCode.mean([code]) is code


def test_volumes_are_made_in_batches_or_one_by_one():
    data, contrasts = sources(), ["t1w", "flair"]
    alone = method(batch_size=1).inferer.harmonize(data["image"], method().network, contrasts)
    together = method(batch_size=2).inferer.harmonize(data["image"], method().network, contrasts)
    for first, second in zip(alone, together, strict=True):
        torch.testing.assert_close(first.image, second.image, atol=1e-4, rtol=1e-4)
    assert not torch.equal(alone[0].image, alone[1].image)


def test_the_second_stage_begins_with_what_the_first_one_makes():
    network = tiny_network("small")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    network.begin_target()
    inferer, volumes = method(network).inferer, network.grid.to_network(sources()["image"][:1, None])
    unified = inferer.unify(network, volumes, network.index("t1w"))
    twice = inferer._through(network, network.model, unified, network.condition(volumes), network.index("t1w"), 0)
    expected = network.grid.from_network(twice, sources()["image"][:1, None])[0]
    torch.testing.assert_close(inferer.harmonize(sources()["image"], network, ["t1w"])[0].image, expected)
    network.target.predictor.unet.out[2].conv.bias.data += 5
    assert (inferer.harmonize(sources()["image"], network, ["t1w"])[0].image - expected).abs().max() > 0.02


def test_detail_is_carried_by_the_curve_from_what_the_network_saw():
    data, carrier = sources(), CurveCarrier(CurveFinder(threshold=0))
    plain, detailed = method(), method(detail=carrier)
    code = plain.middle_ground("t1w", None)
    (result,) = plain.harmonize(data, [code])
    seen = plain.network.grid.blurred(data["image"][:1, None])[0]
    expected = carrier(result.image, data["image"][:1], seen, result.image)
    torch.testing.assert_close(detailed.harmonize(data, [code])[0].image, expected)
    assert not torch.equal(expected, result.image)


def test_steps_are_told(capsys):
    with show_steps(True):
        method().inferer.harmonize(sources()["image"], method().network, ["t1w"])
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["4 of 6: harmonize volumes"]


def test_a_target_and_what_is_not_known_are_refused():
    with pytest.raises(InputError, match="to a middle ground and takes no target, got an image"):
        method().encode(torch.rand(4, 4, 4, 4), "t1w")
    with pytest.raises(InputError, match="takes no target, got the code siemens_3t"):
        method().read_code(StoredCode("t1w", {"numbers": [0.0]}, name="siemens_3t"))
    network = tiny_network()
    network.model.records.updates[1:] = 0
    with pytest.raises(InputError, match="`contrast` must be one that MMH was trained on, t1w, got flair"):
        method(network).middle_ground("flair", None)
    with pytest.raises(InputError, match="source `pd` is what MMH harmonizes, but it is missing or empty"):
        method().inferer.harmonize(sources()["image"], tiny_network(), ["pd"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        ({"precision": "int8"}, "`precision` must be one of fp32, bf16, got int8"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        method(**options)
