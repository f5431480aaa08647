import pytest
import torch

from robot_il.learning.rows import Ring, Rows


def numbered(first: int, count: int) -> Rows:
    """Rows whose state is their number (S = A = 1)."""
    number = torch.arange(first, first + count, dtype=torch.float32)[:, None]
    return Rows.join(number, 100 * number, torch.zeros_like(number), -number, clip=10.0)


def test_columns_come_back_as_they_went_in_and_only_the_input_action_is_clipped():
    rows = numbered(1, 3)
    torch.testing.assert_close(rows.state[:, 0], torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(rows.action[:, 0], torch.tensor([100.0, 200.0, 300.0]))
    torch.testing.assert_close(rows.change[:, 0], torch.tensor([-1.0, -2.0, -3.0]))
    torch.testing.assert_close(rows.inputs, torch.tensor([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0]]))


def test_a_table_of_another_width_is_refused():
    with pytest.raises(ValueError, match="width 5"):
        Rows(torch.zeros(3, 6), 1, 1)


def test_the_ring_keeps_the_newest_rows():
    ring = Ring(5, 1, 1)
    ring.add(numbered(0, 3))
    assert sorted(ring.rows().state[:, 0].tolist()) == [0, 1, 2]
    ring.add(numbered(3, 4))
    assert sorted(ring.rows().state[:, 0].tolist()) == [2, 3, 4, 5, 6]
    ring.add(numbered(10, 12))
    assert sorted(ring.rows().state[:, 0].tolist()) == [17, 18, 19, 20, 21]


def test_the_ring_overwrites_no_row_but_the_oldest():
    ring = Ring(4, 1, 1)
    for number in range(20):
        ring.add(numbered(number, 1))
        assert sorted(ring.rows().state[:, 0].tolist()) == list(range(max(0, number - 3), number + 1))


def test_a_restored_ring_goes_on_where_it_was():
    ring, other = Ring(4, 1, 1), Ring(4, 1, 1)
    ring.add(numbered(0, 6))
    other.restore(ring.state())
    for one in (ring, other):
        one.add(numbered(6, 1))
    torch.testing.assert_close(ring.rows().table, other.rows().table)


def test_draws_depend_on_the_generator_alone():
    rows = numbered(0, 50)
    first, second = (rows.draw(20, torch.Generator().manual_seed(5)).table for _ in range(2))
    torch.testing.assert_close(first, second)
    assert len(torch.unique(first[:, 0])) > 5
