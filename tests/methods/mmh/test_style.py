import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.mmh.style import Style, StyleRecords, StyleStatistics, foreground, histogram_distance, told_of

VALUES = torch.tensor([-0.7, -0.31, 0.0, 0.012, 0.45])


def test_the_histogram_is_the_sum_of_gaussians():
    statistics = StyleStatistics(bins=21, bandwidth=0.1)
    centers = torch.linspace(-1, 1, 21)
    weights = torch.exp(-((VALUES[:, None] - centers) ** 2) / (2 * 0.1**2))
    histogram, mean, deviation = statistics.of_values(VALUES)
    torch.testing.assert_close(histogram, weights.sum(0) / weights.sum(), atol=3e-4, rtol=0)
    assert float(mean) == pytest.approx(float(VALUES.mean()))
    assert float(deviation) == pytest.approx(float(VALUES.std(correction=0)))


def test_moving_a_voxel_moves_the_histogram_as_its_gradient_says():
    statistics, weights = StyleStatistics(bins=21, bandwidth=0.1), torch.linspace(0, 1, 21) ** 2
    values = VALUES.clone().requires_grad_()
    (statistics.of_values(values)[0] * weights).sum().backward()
    moved = VALUES + torch.tensor([0, 0, 0, 0, 1e-3])
    change = ((statistics.of_values(moved)[0] - statistics.of_values(VALUES)[0]) * weights).sum() / 1e-3
    assert float(values.grad[4]) == pytest.approx(float(change), rel=0.02)


def test_the_style_is_that_of_the_mask_alone():
    volume = torch.rand(1, 1, 3, 4, 5)
    mask = volume > 0.5
    found = StyleStatistics()(volume, mask)
    assert float(found.mean) == pytest.approx(float(volume[mask].mean()))
    other = torch.where(mask, volume, -0.9)
    torch.testing.assert_close(StyleStatistics()(other, mask).histogram, found.histogram)
    with pytest.raises(InputError, match="at least one voxel, its mask holds none"):
        StyleStatistics()(volume, volume > 2)


def test_a_model_is_told_mean_and_deviation():
    volumes = torch.rand(2, 1, 3, 4, 5)
    volumes[:, :, 0] = -1
    torch.testing.assert_close(told_of(volumes), StyleStatistics()(volumes, foreground(volumes)).told)
    assert told_of(volumes)[1].tolist() == pytest.approx(
        [float(volumes[1, :, 1:].mean()), float(volumes[1, :, 1:].std(correction=0))]
    )


def test_the_wasserstein_distance_is_the_mean_difference_of_cumulative_sums():
    first, second = torch.tensor([1.0, 0, 0, 0]), torch.tensor([0, 0, 1.0, 0])
    # 1 at two of four bins.
    assert float(histogram_distance(first, second)) == pytest.approx(0.5)
    assert float(histogram_distance(first, first)) == 0


def style(mean: float, count: int = 1) -> Style:
    return Style(torch.full((count, 4), 0.25), torch.full((count,), mean), torch.full((count,), 0.1))


def test_records_follow_what_is_made_of_each_contrast():
    records = StyleRecords(bins=4, decay=0.8)
    assert records.known == []
    records.update(style(0.5), torch.tensor([0]), torch.tensor([True]))
    # The first one is taken as it is, a later one by its share.
    records.update(style(-0.5), torch.tensor([0]), torch.tensor([True]))
    assert float(records.mean[0]) == pytest.approx(0.8 * 0.5 - 0.2 * 0.5)
    records.update(style(1.0), torch.tensor([3]), torch.tensor([True]))
    assert records.known == ["t1w", "flair"]
    assert records.of(torch.tensor([3, 0])).mean.tolist() == pytest.approx([1.0, 0.3])


def test_noisy_estimates_do_not_count():
    records = StyleRecords(bins=4)
    both = Style(torch.full((2, 4), 0.25), torch.tensor([0.2, 9.0]), torch.tensor([0.1, 0.1]))
    records.update(both, torch.tensor([1, 1]), torch.tensor([True, False]))
    assert float(records.mean[1]) == pytest.approx(0.2)
    records.update(style(9.0), torch.tensor([1]), torch.tensor([False]))
    assert float(records.mean[1]) == pytest.approx(0.2) and records.updates[1] == 1


def test_a_domain_may_set_a_record():
    records = StyleRecords(bins=4)
    records.set(Style(torch.full((2, 4), 0.25), torch.tensor([0.2, 0.4]), torch.tensor([0.1, 0.3])), 0)
    assert float(records.mean[0]) == pytest.approx(0.3) and float(records.deviation[0]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StyleStatistics(bandwidth=0), "`bandwidth` above 0, got -1.0, 1.0 and 0"),
        (lambda: StyleStatistics(bins=1), "`bins` must be a whole number of at least 2, got 1"),
        (lambda: StyleRecords(decay=1.0), "`decay` must be at least 0 and below 1, got 1.0"),
    ],
)
def test_wrong_settings_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
