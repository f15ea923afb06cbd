import pytest
import torch

from scripts.methods.mispel.losses import (
    DecoderLoss,
    EmbeddingLoss,
    coupling_loss,
    embedding_norm,
    harmonization_loss,
    reconstruction_loss,
)

# One pixel of one slice on three scanners.
IMAGES = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
OUTPUTS = torch.tensor([1.5, 2.0, 5.0]).view(1, 3, 1, 1)
# Two embeddings on three scanners: (0, 3, 6) and (1, 1, 1).
EMBEDDINGS = torch.tensor([[0.0, 1.0], [3.0, 1.0], [6.0, 1.0]]).view(1, 3, 2, 1, 1)
GAMMAS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [2.0, 0.0]])


def test_reconstruction_is_summed_over_scanners():
    assert reconstruction_loss(IMAGES, OUTPUTS).item() == pytest.approx(0.5 + 0 + 2)


def test_coupling_is_the_mean_variance_over_scanners():
    # Variances 6 and 0, of two embeddings.
    assert coupling_loss(EMBEDDINGS).item() == pytest.approx(3.0)


def test_harmonization_is_the_mean_over_pairs():
    # |1.5 - 2|, |1.5 - 5| and |2 - 5|: three pairs of three scanners, six of four.
    assert harmonization_loss(OUTPUTS).item() == pytest.approx((0.5 + 3.5 + 3.0) / 3)
    four = torch.tensor([0.0, 0.0, 0.0, 6.0]).view(1, 4, 1, 1)
    assert harmonization_loss(four).item() == pytest.approx(3 * 6 / 6)


def test_more_pixels_and_slices_change_no_mean():
    larger = OUTPUTS.expand(2, 3, 4, 5)
    assert harmonization_loss(larger).item() == pytest.approx(7 / 3)
    assert reconstruction_loss(IMAGES.expand(2, 3, 4, 5), larger).item() == pytest.approx(2.5)
    assert coupling_loss(EMBEDDINGS.expand(2, 3, 2, 4, 5)).item() == pytest.approx(3.0)


def test_totals_are_weighted_sums():
    first = EmbeddingLoss(reconstruction=2.0, coupling=0.3)(IMAGES, OUTPUTS, EMBEDDINGS, GAMMAS)
    assert first["total"].item() == pytest.approx(2 * 2.5 + 0.3 * 3)
    second = DecoderLoss(reconstruction=1.0, harmonization=4.0)(IMAGES, OUTPUTS, EMBEDDINGS, GAMMAS)
    assert second["total"].item() == pytest.approx(2.5 + 4 * 7 / 3)


def test_a_scale_that_gamma_takes_back_is_seen_in_the_norm_of_z():
    # (0 + 9 + 36 + 3 * 1) / 6 = 8.
    assert embedding_norm(EMBEDDINGS).item() == pytest.approx(8**0.5)
    assert embedding_norm(EMBEDDINGS / 10).item() == pytest.approx(8**0.5 / 10)
    assert coupling_loss(EMBEDDINGS / 10).item() == pytest.approx(0.03)


def test_a_relative_coupling_does_not_depend_on_that_scale():
    loss = EmbeddingLoss(reconstruction=0.0, coupling=1.0, relative=True)
    # The variance of 3 as above; the gammas have lengths whose squares are 1, 4 and 4.
    assert loss(IMAGES, OUTPUTS, EMBEDDINGS, GAMMAS)["total"].item() == pytest.approx(3 * 3)
    assert loss(IMAGES, OUTPUTS, EMBEDDINGS / 10, GAMMAS * 10)["total"].item() == pytest.approx(3 * 3)
