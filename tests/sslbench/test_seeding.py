"""One seed, one independent stream per purpose, and torch's global stream left as it was."""

import numpy as np
import torch

from sslbench.seeding import (
    global_stream,
    numpy_generator,
    restore_stream,
    stream_state,
    torch_generator,
)


def test_the_same_seed_and_purpose_give_the_same_draws():
    first, again = (numpy_generator(3, "order").random(5) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    first, again = (torch.rand(5, generator=torch_generator(3, "masks")) for _ in range(2))
    assert torch.equal(first, again)


def test_another_seed_or_purpose_gives_other_draws():
    draws = {
        tuple(numpy_generator(seed, purpose).random(3)) for seed in (0, 1) for purpose in ("a", "b")
    }
    assert len(draws) == 4
    states = {
        torch_generator(seed, purpose).initial_seed()
        for seed in range(50)
        for purpose in ("a", "b")
    }
    assert len(states) == 100


def test_streams_of_neighbouring_seeds_are_uncorrelated():
    a, b = numpy_generator(0, "order").random(4000), numpy_generator(1, "order").random(4000)
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(4000)


def test_more_draws_for_one_purpose_do_not_shift_another():
    masks = torch_generator(5, "masks")
    torch.rand(1000, generator=masks)
    views = torch.rand(3, generator=torch_generator(5, "views"))
    assert torch.equal(views, torch.rand(3, generator=torch_generator(5, "views")))


def test_the_global_stream_is_seeded_inside_and_restored_after():
    torch.manual_seed(99)
    expected = torch.rand(2)
    torch.manual_seed(99)
    with global_stream(1, "init"):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with global_stream(1, "init"):
        assert torch.equal(torch.rand(2), inside)


def test_the_global_stream_is_restored_after_an_error_too():
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    try:
        with global_stream(1, "init"):
            torch.rand(10)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_largest_seed_of_a_configuration_is_accepted():
    numpy_generator(2**31 - 1, "order").random()
    torch_generator(2**31 - 1, "masks")


def test_the_global_stream_goes_on_from_where_it_was_noted():
    with global_stream(3, "dropout"):
        torch.rand(7)
        torch.randn(3)
        noted, expected = stream_state("cpu"), torch.randn(5)
    with global_stream(3, "dropout"):
        restore_stream(noted, "cpu")
        assert torch.equal(torch.randn(5), expected)
