import torch

from sslbench.pretext._queue import Queue

N_DIMENSIONS = 3


def some_queue(size):
    torch.manual_seed(0)
    return Queue(size, n_dimensions=N_DIMENSIONS)


def keys_of(row_ids):
    """A key that tells its cell: the direction (1, row_id, 0)."""
    row_ids = torch.as_tensor(row_ids)
    ones, nothing = torch.ones(len(row_ids)), torch.zeros(len(row_ids))
    return torch.stack([ones, row_ids.float(), nothing], dim=1), row_ids


def fill(queue, *minibatches):
    for row_ids in minibatches:
        keys, row_ids = keys_of(row_ids)
        queue.stage(keys, row_ids=row_ids)
        queue.enqueue()
    return queue


def test_it_starts_full_of_random_directions_that_are_of_no_cell():
    queue = some_queue(200)
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(200))
    assert queue.keys.mean(dim=0).norm() < 0.2
    assert queue.row_ids.tolist() == [-1] * 200
    assert not queue.of_same_cell(torch.arange(5)).any()


def test_the_oldest_keys_are_overwritten_first_and_sizes_need_not_divide():
    queue = some_queue(7)
    assert fill(queue, [10, 11, 12]).row_ids.tolist() == [10, 11, 12, -1, -1, -1, -1]
    assert fill(queue, [13, 14, 15]).row_ids.tolist() == [10, 11, 12, 13, 14, 15, -1]
    assert fill(queue, [16, 17]).row_ids.tolist() == [17, 11, 12, 13, 14, 15, 16]
    assert fill(queue, [18, 19, 20, 21]).row_ids.tolist() == [17, 18, 19, 20, 21, 15, 16]


def test_it_holds_what_a_list_of_the_last_keys_holds_after_minibatches_of_any_size():
    generator = torch.Generator().manual_seed(3)
    queue, seen = some_queue(13), []
    for _ in range(60):
        size = int(torch.randint(2, 30, (), generator=generator))
        row_ids = torch.randint(0, 1000, (size,), generator=generator).tolist()
        fill(queue, row_ids)
        seen += row_ids
        assert 0 <= int(queue.position) < 13
        if len(seen) >= 13:
            oldest_first = queue.row_ids.roll(-int(queue.position)).tolist()
            assert oldest_first == seen[-13:]


def test_every_key_stays_beside_the_cell_it_is_of_and_has_unit_length():
    queue = fill(some_queue(7), [1, 2, 3, 4, 5], [6, 7, 8, 9], [10, 11, 12, 13, 14, 15, 16, 17, 18])
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(7))
    torch.testing.assert_close(queue.keys[:, 1] / queue.keys[:, 0], queue.row_ids.float())


def test_of_more_keys_than_there_is_room_the_last_ones_stay():
    queue = fill(some_queue(4), [1, 2, 3, 4, 5, 6])
    assert sorted(queue.row_ids.tolist()) == [3, 4, 5, 6]


def test_nothing_enters_before_enqueue_and_nothing_enters_twice():
    queue = some_queue(6)
    before = queue.keys.clone()
    queue.enqueue()
    keys, row_ids = keys_of([1, 2])
    queue.stage(keys, row_ids=row_ids)
    queue.stage(keys[:1], row_ids=row_ids[:1])
    assert torch.equal(queue.keys, before)
    queue.enqueue()
    queue.enqueue()
    assert queue.row_ids.tolist() == [1, -1, -1, -1, -1, -1]
    assert int(queue.position) == 1


def test_no_gradient_flows_into_the_queue():
    queue = some_queue(4)
    keys = torch.randn(2, N_DIMENSIONS, requires_grad=True)
    queue.stage(2 * keys, row_ids=torch.arange(2))
    queue.enqueue()
    assert not queue.keys.requires_grad


def test_same_cells_are_found_row_by_row():
    queue = fill(some_queue(5), [4, 9, 4])
    same = queue.of_same_cell(torch.tensor([4, 5, 9]))
    assert same.tolist() == [
        [True, False, True, False, False],
        [False] * 5,
        [False, True, False, False, False],
    ]


def test_a_queue_read_back_goes_on_where_it_was():
    queue = fill(some_queue(5), [1, 2, 3])
    copy = Queue(5, n_dimensions=N_DIMENSIONS)
    copy.load_state_dict(queue.state_dict())
    assert fill(copy, [4, 5, 6]).row_ids.tolist() == fill(queue, [4, 5, 6]).row_ids.tolist()
    assert torch.equal(copy.keys, queue.keys)
