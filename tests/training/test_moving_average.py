import pytest
import torch
from torch import nn

from scripts.base.errors import InputError
from scripts.training.moving_average import MovingAverage


def line(weight: float) -> nn.Linear:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, weight)
    return network


def test_the_first_weights_are_taken_and_later_ones_mixed_in():
    network = line(0.0)
    average = MovingAverage(network, decay=0.9)
    found = []
    for weight in (1.0, 2.0, 3.0):
        nn.init.constant_(network.weight, weight)
        average.update()
        found.append(average.network.weight.item())
    # 1; 0.9 * 1 + 0.1 * 2; 0.9 * 1.1 + 0.1 * 3.
    assert found == pytest.approx([1.0, 1.1, 1.29])
    assert network.weight.item() == 3
    assert not average.network.weight.requires_grad and not average.network.training


def test_what_is_no_parameter_is_copied():
    network = nn.BatchNorm1d(1)
    average = MovingAverage(network, decay=0.9)
    network(torch.full((2, 1), 5.0))
    average.update()
    assert torch.equal(average.network.running_mean, network.running_mean)
    assert average.network.state_dict().keys() == network.state_dict().keys()


def test_statistics_follow_as_slowly_as_weights_where_that_is_asked_for():
    network = nn.BatchNorm1d(1)
    average = MovingAverage(network, decay=0.9, statistics=True)
    found = []
    for value in (1.0, 2.0, 3.0):
        network.running_mean.fill_(value)
        average.update()
        found.append(average.network.running_mean.item())
    assert found == pytest.approx([1.0, 1.1, 1.29])


def test_it_goes_on_where_it_stood():
    first, second = MovingAverage(line(1.0), 0.9), MovingAverage(line(7.0), 0.9)
    first.update()
    second.load_state_dict(first.state_dict())
    second.update()
    assert second.network.weight.item() == pytest.approx(0.9 * 1 + 0.1 * 7)


def test_another_network_is_refused():
    with pytest.raises(InputError, match="the moving average holds another network"):
        MovingAverage(nn.Linear(2, 1, bias=False)).load_state_dict(MovingAverage(line(1.0)).state_dict())


def test_it_follows_fast_at_first():
    network = line(0.0)
    average = MovingAverage(network, decay=0.9, warm_up=3)
    found = []
    for weight in (1.0, 2.0, 3.0):
        nn.init.constant_(network.weight, weight)
        average.update()
        found.append(average.network.weight.item())
    # 1; 2/5 * 1 + 3/5 * 2 = 1.6; 3/6 * 1.6 + 3/6 * 3.
    assert found == pytest.approx([1.0, 1.6, 2.3])


def test_a_negative_warm_up_is_refused():
    with pytest.raises(InputError, match="`warm_up` must be a number of at least 0, got -1"):
        MovingAverage(line(1.0), warm_up=-1)


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_wrong_decay_is_refused(decay):
    with pytest.raises(InputError, match="`decay` must be at least 0 and below 1, got"):
        MovingAverage(line(1.0), decay)
