from math import log

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from scripts.base.errors import InputError
from scripts.methods.haca3.losses import CycleLoss, Haca3Loss, kl_from_normal, masked_l1
from scripts.methods.haca3.patch_contrast import PatchContrast
from scripts.methods.haca3.patchifier import Patchifier
from scripts.methods.haca3.perceptual import load_extractor
from scripts.methods.haca3.structural import StructuralLoss
from scripts.methods.haca3.tissue import tissue_loss

EXTRACTOR = load_extractor(widths=(2, 4))
WEIGHTS = {"reconstruction": 2.0, "kl": 3.0, "contrastive": 5.0, "perceptual": 7.0, "structural": 11.0, "tissue": 13.0}


@pytest.fixture
def batch() -> dict[str, Tensor]:
    """Two subjects of three sources in a field of view of 16 pixels; some pixels are not visible."""
    generator = torch.Generator().manual_seed(0)
    visible = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    visible[:, :, :5] = False
    return {
        "output": torch.rand(2, 1, 16, 16, generator=generator),
        "target": torch.rand(2, 1, 16, 16, generator=generator),
        "visible": visible,
        "mean": torch.randn(2, 2, generator=generator),
        "log_variance": torch.randn(2, 2, generator=generator),
        "anatomies": torch.rand(2, 3, 1, 16, 16, generator=generator),
        "images": torch.rand(2, 3, 16, 16, generator=generator),
        "pairs": torch.tensor([[0, 2], [1, 0]]),
        "logits": torch.randn(2, 3, 5, 16, 16, generator=generator),
        "foreground": torch.rand(2, 3, 16, 16, generator=generator) > 0.2,
        "tissues": torch.randint(-1, 5, (2, 1, 16, 16), generator=generator),
    }


def patch_contrast() -> PatchContrast:
    torch.manual_seed(0)
    return PatchContrast(Patchifier(patch=4, hidden=4, features=8), other_patches=10)


def complete_loss(**weights: float) -> Haca3Loss:
    return Haca3Loss(patch_contrast(), EXTRACTOR, StructuralLoss(), **weights)


def test_masked_l1_is_the_mean_over_visible_pixels_then_over_samples():
    output, target = torch.tensor([[1.0, 2.0], [3.0, 9.0]]), torch.tensor([[1.5, 0.0], [3.5, 0.0]])
    visible = torch.tensor([[True, True], [True, False]])
    assert masked_l1(output[None], target[None], visible[None]).item() == pytest.approx((0.5 + 2 + 0.5) / 3)
    assert masked_l1(output, target, visible).item() == pytest.approx(((0.5 + 2) / 2 + 0.5) / 2)


def test_masked_l1_of_nothing_visible_is_zero_with_a_gradient():
    output = torch.rand(1, 1, 2, 2, requires_grad=True)
    loss = masked_l1(output, torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert not output.grad.any()


def test_kl_is_the_one_worked_out_by_hand():
    mean, log_variance = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, log(4)], [0.0, 0.0]])
    # (1 + 1 - 1 - 0) / 2 and (4 + 4 - 1 - log 4) / 2; the second sample is N(0, 1) already.
    assert kl_from_normal(mean, log_variance).item() == pytest.approx((0.5 + 3.5 - log(2)) / 2)


def test_kl_is_the_known_one_of_normal_distributions(batch):
    mean, log_variance = batch["mean"], batch["log_variance"]
    known = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(kl_from_normal(mean, log_variance), known)


def test_terms_are_those_of_the_parts_and_the_total_weighs_them(batch):
    losses = complete_loss(**WEIGHTS)(**batch)
    output, target, visible = batch["output"], batch["target"], batch["visible"]
    expected = {
        "reconstruction": masked_l1(output, target, visible),
        "kl": kl_from_normal(batch["mean"], batch["log_variance"]),
        "contrastive": patch_contrast()(batch["anatomies"], batch["images"], batch["pairs"]),
        "perceptual": (EXTRACTOR(output * visible) - EXTRACTOR(target * visible)).abs().mean(),
        "structural": StructuralLoss()(output, target, visible),
        "tissue": tissue_loss(batch["logits"], batch["foreground"], batch["tissues"]),
    }
    expected["total"] = sum(weight * expected[name] for name, weight in WEIGHTS.items())
    assert losses.keys() == expected.keys()
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name])


def test_default_weights_are_those_of_public_code(batch):
    losses = complete_loss()(**batch)
    assert list(losses) == ["reconstruction", "kl", "contrastive", "total"]
    total = 10 * losses["reconstruction"] + 1e-5 * losses["kl"] + 0.5 * losses["contrastive"]
    torch.testing.assert_close(losses["total"], total)


def test_what_is_not_visible_counts_in_no_term(batch):
    loss = complete_loss(**WEIGHTS)
    before = loss(**batch)
    batch["output"] = batch["output"].masked_fill(~batch["visible"], 7.0)
    batch["target"] = batch["target"].masked_fill(~batch["visible"], 5.0)
    assert {name: torch.equal(value, before[name]) for name, value in loss(**batch).items()} == dict.fromkeys(
        before, True
    )


def test_gradients_reach_what_is_learned_and_not_the_extractor(batch):
    learned = ("output", "mean", "log_variance", "anatomies", "logits")
    for name in learned:
        batch[name].requires_grad_()
    loss = complete_loss(**WEIGHTS)
    loss(**batch)["total"].backward()
    assert all(batch[name].grad.any() for name in learned)
    assert [name for name, value in loss.named_parameters() if value.grad is not None] == [
        f"patch_contrast.patchifier.conv.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")
    ]


def test_a_step_down_brings_the_output_nearer_to_the_target(batch):
    batch["output"].requires_grad_()
    loss = Haca3Loss(contrastive=0.0, kl=0.0)
    before = loss(**batch)["total"]
    before.backward()
    batch["output"] = batch["output"].detach() - 0.1 * batch["output"].grad
    assert loss(**batch)["total"] < before


def test_harmonization_loss_is_in_single_precision_under_autocast(batch):
    lowered = {name: value.bfloat16() if value.is_floating_point() else value for name, value in batch.items()}
    loss = complete_loss(**WEIGHTS)
    with torch.autocast("cpu", torch.bfloat16):
        losses = loss(**lowered)
    exact = loss(**{name: value.float() if value.is_floating_point() else value for name, value in lowered.items()})
    for name, value in losses.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, exact[name])


@pytest.mark.parametrize(
    ("weight", "part"), [("contrastive", "patch_contrast"), ("perceptual", "extractor"), ("structural", "structure")]
)
def test_weight_without_its_part_is_refused(weight, part):
    weights = {"contrastive": 0.0, weight: 0.25}
    with pytest.raises(InputError, match=f"`{weight}` must be 0 without a `{part}`, got 0.25"):
        Haca3Loss(**weights)


def test_negative_weights_are_refused():
    with pytest.raises(InputError, match="`kl` must be a number of at least 0, got -1e-05"):
        Haca3Loss(patch_contrast(), kl=-1e-5)
    with pytest.raises(InputError, match="`beta` must be a number of at least 0, got -2"):
        CycleLoss(beta=-2)
    with pytest.raises(InputError, match="`overall` must be a number of at least 0, got -1"):
        CycleLoss(overall=-1)


def codes(requires_grad: bool = False) -> dict[str, Tensor]:
    """Mean distances of .5, 1.5 and 2."""
    values = {
        "theta": torch.tensor([[1.0, 2.0]]),
        "wanted_theta": torch.tensor([[1.0, 3.0]]),
        "eta": torch.tensor([[0.0, -1.0]]),
        "wanted_eta": torch.tensor([[1.0, 1.0]]),
        "beta": torch.full((1, 5, 2, 2), 3.0),
        "wanted_beta": torch.full((1, 5, 2, 2), 1.0),
    }
    return {name: value.requires_grad_(requires_grad) for name, value in values.items()}


def test_cycle_loss_is_the_one_worked_out_by_hand():
    losses = CycleLoss()(**codes())
    expected = {"theta": 0.5, "eta": 1.5, "beta": 2.0, "total": 0.05 * (0.5 + 1.5 + 0.05 * 2)}
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected)
    assert CycleLoss(theta=2, eta=3, beta=4, overall=1)(**codes())["total"].item() == pytest.approx(13.5)


def test_what_a_cycle_wants_is_held_fixed():
    values = codes(requires_grad=True)
    CycleLoss()(**values)["total"].backward()
    assert [name for name, value in values.items() if value.grad is not None] == ["theta", "eta", "beta"]


def test_cycle_loss_is_in_single_precision_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        losses = CycleLoss()(**{name: value.bfloat16() for name, value in codes().items()})
    assert losses["total"].dtype == torch.float32
    assert losses["total"].item() == pytest.approx(0.105)
