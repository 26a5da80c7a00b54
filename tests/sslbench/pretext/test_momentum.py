import math

import pytest
import torch
from torch import nn

from sslbench.pretext._momentum import follow, momentum_at, target_of


def some_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()


@pytest.mark.parametrize("start", [0.5, 0.9, 0.996])
def test_momentum_grows_from_its_start_to_one_along_a_cosine(start):
    assert momentum_at(0.0, start=start) == pytest.approx(start)
    assert momentum_at(0.5, start=start) == pytest.approx((1 + start) / 2)
    assert momentum_at(1.0, start=start) == 1.0
    values = [momentum_at(step / 20, start=start) for step in range(21)]
    assert values == sorted(values)
    quarter = 1 - (1 - start) * (math.sqrt(0.5) + 1) / 2
    assert momentum_at(0.25, start=start) == pytest.approx(quarter)


def test_a_momentum_of_zero_or_one_stays_what_it_is():
    for progress in (0.01, 0.5, 1.0):
        assert momentum_at(progress, start=0.0) == 0
        assert momentum_at(progress, start=1.0) == 1


def test_a_target_starts_equal_to_the_online_network_and_shares_nothing_with_it():
    online = some_network()
    target = target_of(online)
    for slow, fast in zip(target.parameters(), online.parameters()):
        assert torch.equal(slow, fast)
        assert slow.data_ptr() != fast.data_ptr()
        assert not slow.requires_grad
        assert fast.requires_grad


def test_following_is_the_weighted_mean_of_every_weight():
    target, online = target_of(some_network(0)), some_network(1)
    before = [weight.clone() for weight in target.parameters()]
    follow(target, online, momentum=0.7)
    for slow, old, fast in zip(target.parameters(), before, online.parameters()):
        torch.testing.assert_close(slow, 0.7 * old + 0.3 * fast)


def test_momentum_one_leaves_the_target_and_zero_copies_the_online_network():
    target, online = target_of(some_network(0)), some_network(1)
    follow(target, online, momentum=1.0)
    assert all(map(torch.equal, target.parameters(), some_network(0).parameters()))
    follow(target, online, momentum=0.0)
    assert all(map(torch.equal, target.parameters(), online.parameters()))


def test_networks_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        follow(some_network(), nn.Linear(4, 3).double(), momentum=0.5)
