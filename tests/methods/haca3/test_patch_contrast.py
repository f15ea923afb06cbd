from math import e, exp, log

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from scripts.base.errors import InputError
from scripts.methods.haca3.patch_contrast import PatchContrast, draw_pairs, other_places
from scripts.methods.haca3.patchifier import Patchifier

# Patches of two pixels in a row, whose features are these pixels.
PIXEL_PAIRS = nn.Unfold((1, 2), stride=(1, 2))


def maps(*sources: list[float]) -> Tensor:
    """One sample (1, C, 1, W) of one row per source."""
    return torch.tensor(sources, dtype=torch.float32)[None, :, None]


def contrast(anatomies: Tensor, images: Tensor, pairs: list[list[int]], **options: float) -> Tensor:
    return PatchContrast(PIXEL_PAIRS, **options)(anatomies.unsqueeze(2), images, torch.tensor(pairs))


def random_maps(samples: int, sources: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    anatomies, images = torch.randn(2, samples, sources, 4, 8, generator=generator)
    return anatomies, images


def test_loss_of_one_sample_is_the_one_worked_out_by_hand():
    anatomies = maps([9, 9, 9, 9], [1, 0, 0, 1], [1, 0, 1, 0])
    images = maps([9, 9, 9, 9], [0, 1, 0, 1], [-1, 0, 0, -1])
    loss = contrast(anatomies, images, [[1, 2]], temperature=1, other_patches=2)
    # Query (1, 0), positive (1, 0); negatives: two of each image, then the other place of each anatomy.
    first = -log(e / (e + (exp(0) + exp(0) + exp(-1) + exp(0) + exp(0) + exp(1)) / 6))
    # Query (0, 1), positive (1, 0).
    second = -log(1 / (1 + (exp(1) + exp(1) + exp(0) + exp(-1) + exp(0) + exp(0)) / 6))
    assert loss.item() == pytest.approx((first + second) / 2)


def test_temperature_divides_the_products():
    anatomies = maps([1, 0, 1, 0], [1, 0, 1, 0])
    images = maps([0, 1, 0, 1], [0, 1, 0, 1])
    loss = contrast(anatomies, images, [[0, 1]], temperature=0.5, other_patches=2)
    # Positive 1 / .5; negatives four times 0 and, from other places, two times 1 / .5.
    assert loss.item() == pytest.approx(-log(exp(2) / (exp(2) + (4 + 2 * exp(2)) / 6)))


def test_lengths_of_features_play_no_part():
    anatomies, images = random_maps(2, 3)
    pairs = [[0, 1], [2, 0]]
    torch.testing.assert_close(contrast(7 * anatomies, 0.1 * images, pairs), contrast(anatomies, images, pairs))


def test_sources_outside_the_pair_play_no_part():
    anatomies, images = random_maps(1, 3)
    before = contrast(anatomies, images, [[2, 0]])
    anatomies[:, 1] = images[:, 1] = 5
    assert torch.equal(contrast(anatomies, images, [[2, 0]]), before)


def test_default_makes_294_negatives_of_49_patches():
    assert 2 * 49 + PatchContrast(PIXEL_PAIRS).other_patches == 294


@pytest.mark.parametrize("number", [196, 96, 7])
def test_negatives_of_anatomies_come_evenly_from_every_other_place(number):
    # Each similarity says which map and which place it is to.
    similarity = torch.arange(2.0).view(1, 2, 1, 1) + 10 * torch.arange(49.0).expand(1, 2, 49, 49)
    chosen = other_places(similarity, number)[0]
    assert chosen.shape == (49, number)
    assert (chosen % 10 == 0).sum(1).unique().tolist() == [(number + 1) // 2]
    for query, place in enumerate((chosen // 10).int()):
        counts = place.bincount(minlength=49)
        assert counts[query] == 0
        if number >= 96:
            assert set(counts.tolist()) <= {0, number // 48, number // 48 + 2}
            assert (counts > 0).sum() == 48


def test_samples_without_a_pair_count_nothing():
    anatomies, images = random_maps(3, 2)
    alone = contrast(anatomies[1:2], images[1:2], [[1, 0]])
    torch.testing.assert_close(contrast(anatomies, images, [[0, 0], [1, 0], [1, 1]]), alone / 3)


def test_loss_is_zero_and_has_a_gradient_where_no_sample_has_a_pair():
    anatomies, images = random_maps(2, 2)
    anatomies.requires_grad_()
    loss = contrast(anatomies, images, [[0, 0], [1, 1]])
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(anatomies.grad, torch.zeros_like(anatomies))


def test_a_step_down_brings_the_two_anatomies_together_and_away_from_their_images():
    anatomies, images = random_maps(1, 2)
    anatomies.requires_grad_()
    contrast(anatomies, images, [[0, 1]]).backward()
    moved = anatomies.detach() - 0.1 * anatomies.grad

    def likeness(query: Tensor, other: Tensor) -> float:
        return cosine_similarity(PIXEL_PAIRS(query), PIXEL_PAIRS(other), dim=1).mean().item()

    before = anatomies.detach()
    assert likeness(moved[:, :1], moved[:, 1:]) > likeness(before[:, :1], before[:, 1:])
    assert likeness(moved[:, :1], images[:, :1]) < likeness(before[:, :1], images[:, :1])


def test_patchifier_learns_from_the_loss():
    torch.manual_seed(0)
    patchifier = Patchifier(patch=4, hidden=8, features=16)
    anatomies, images = torch.rand(2, 2, 2, 8, 8)
    PatchContrast(patchifier)(anatomies.unsqueeze(2), images, torch.tensor([[0, 1], [1, 1]])).backward()
    assert all(parameter.grad.any() for parameter in patchifier.parameters())


def test_loss_is_in_single_precision_under_autocast():
    anatomies, images = (value.bfloat16() for value in random_maps(2, 2))
    pairs = [[0, 1], [1, 0]]
    with torch.autocast("cpu", torch.bfloat16):
        lowered = contrast(anatomies, images, pairs)
    assert lowered.dtype == torch.float32
    assert torch.equal(lowered, contrast(anatomies.float(), images.float(), pairs))


def test_pairs_are_drawn_of_available_sources_and_all_alike():
    available = torch.tensor([[True, False, True, True]]).expand(6000, 4)
    pairs = draw_pairs(available, torch.Generator().manual_seed(0))
    kinds, counts = pairs.unique(dim=0, return_counts=True)
    assert kinds.tolist() == [[0, 2], [0, 3], [2, 0], [2, 3], [3, 0], [3, 2]]
    # Six standard deviations of a sixth of 6000.
    assert counts.sub(1000).abs().max() < 6 * (6000 * 1 / 6 * 5 / 6) ** 0.5


def test_a_sample_with_one_source_has_no_pair():
    available = torch.tensor([[0.0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    pairs = draw_pairs(available, torch.Generator().manual_seed(0))
    assert pairs[0].tolist() == [2, 2]
    assert set(pairs[1].tolist()) == {0, 1}
    assert pairs[2, 0] == pairs[2, 1]


def test_a_seed_draws_the_same_pairs_whatever_was_drawn_elsewhere():
    available = torch.ones(20, 4)
    first = draw_pairs(available, torch.Generator().manual_seed(3))
    torch.rand(5)
    assert torch.equal(draw_pairs(available, torch.Generator().manual_seed(3)), first)
    assert not torch.equal(draw_pairs(available, torch.Generator().manual_seed(4)), first)


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="`temperature` must be above 0, got 0"):
        PatchContrast(PIXEL_PAIRS, temperature=0)
    with pytest.raises(InputError, match="`other_patches` must be at least 1, got 0"):
        PatchContrast(PIXEL_PAIRS, other_patches=0)
