import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_il.recording.ring import KIND_EVENT, KIND_TICK, MAX_RECORD_BYTES, SLOT_BYTES, SLOTS, Ring, RingWatcher
from robot_il.spec import TICK_DTYPE


@pytest.fixture
def ends():
    producer = Ring()
    consumer = Ring(os.dup(producer.descriptor))
    yield producer, consumer
    consumer.close()
    producer.close()


def row(number: int) -> bytes:
    return number.to_bytes(4, "little") * (TICK_DTYPE.itemsize // 4) + bytes(TICK_DTYPE.itemsize % 4)


def test_records_come_out_in_order_over_several_laps(ends):
    producer, consumer = ends
    expected, got = [], []
    for number in range(3 * SLOTS):
        expected.append((KIND_TICK, row(number)))
        assert producer.publish_tick(row(number))
        if number % 1000 == 0:
            expected.append((KIND_EVENT, b"e" * (number % 3000 + 1)))
            assert producer.publish(*expected[-1])
        if number % 500 == 0:
            got += consumer.drain()
    got += consumer.drain()
    assert got == expected
    assert producer.dropped == 0


def test_a_full_ring_drops_and_counts_and_keeps_what_it_has(ends):
    producer, consumer = ends
    for number in range(SLOTS + 7):
        assert producer.publish_tick(row(number)) == (number < SLOTS)
    assert not producer.publish(KIND_EVENT, b"event")
    assert producer.dropped == consumer.dropped == 8
    assert [payload for _, payload in consumer.drain()] == [row(number) for number in range(SLOTS)]
    assert producer.publish_tick(row(1))
    assert [payload for _, payload in consumer.drain()] == [row(1)]


def test_a_record_that_is_not_whole_yet_is_left_until_it_is(ends):
    """Whatever part of a slot becomes visible first, the consumer sees all of the record or nothing."""
    producer, consumer = ends
    producer.publish_tick(row(1))
    memory = producer._memory
    start = 256
    whole = memory[start : start + SLOT_BYTES]
    for hidden in range(8 + TICK_DTYPE.itemsize):
        if whole[hidden] == 0:
            continue
        memory[start + hidden : start + hidden + 1] = b"\0"
        assert list(consumer.drain()) == []
        memory[start : start + SLOT_BYTES] = whole
    assert [payload for _, payload in consumer.drain()] == [row(1)]


def test_slots_are_free_only_after_the_consumer_went_on(ends):
    producer, consumer = ends
    for number in range(SLOTS):
        producer.publish_tick(row(number))
    records = consumer.drain()
    next(records)
    assert not producer.publish_tick(row(0))
    next(records)
    assert producer.publish_tick(row(0))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=MAX_RECORD_BYTES), max_size=20))
def test_records_of_any_length_come_out_as_they_went_in(payloads):
    producer = Ring()
    consumer = Ring(os.dup(producer.descriptor))
    for payload in payloads:
        assert producer.publish(KIND_EVENT, payload)
    assert [payload for _, payload in consumer.drain()] == payloads
    consumer.close()
    producer.close()


@pytest.mark.parametrize("payload", [b"", bytes(MAX_RECORD_BYTES + 1)])
def test_a_record_beyond_the_bounds_is_refused(ends, payload):
    with pytest.raises(ValueError, match="bytes"):
        ends[0].publish(KIND_EVENT, payload)


def test_the_ring_has_no_name_and_belongs_to_its_owner_only(ends):
    status = os.fstat(ends[0].descriptor)
    assert status.st_nlink == 0
    assert status.st_mode & 0o077 == 0


@pytest.fixture
def watched():
    ring = Ring()
    watcher = RingWatcher(os.dup(ring.descriptor))
    yield ring, watcher
    watcher.close()
    ring.close()


def test_a_watcher_sees_every_record_once_and_takes_none(watched):
    ring, watcher = watched
    for number in range(5):
        ring.publish(KIND_EVENT, b"%d" % number)
    assert [payload for _, payload in watcher.look()] == [b"0", b"1", b"2", b"3", b"4"]
    assert list(watcher.look()) == []
    assert ring.backlog == 5


def test_a_watcher_cannot_write(watched):
    ring, watcher = watched
    with pytest.raises(TypeError):
        watcher.publish(KIND_EVENT, b"mine")
    assert ring.backlog == 0


def test_a_watcher_that_was_lapped_goes_on_with_what_is_there(watched):
    ring, watcher = watched
    consumer = Ring(os.dup(ring.descriptor))
    for number in range(2 * SLOTS + 10):
        ring.publish(KIND_EVENT, b"%d" % number)
        if number % 100 == 99:
            list(consumer.drain())
    list(consumer.drain())
    assert list(watcher.look()) == []
    ring.publish(KIND_EVENT, b"new")
    assert [payload for _, payload in watcher.look()] == [b"new"]
    consumer.close()


def test_a_watcher_that_comes_late_begins_where_the_consumer_is(watched):
    ring, _ = watched
    consumer = Ring(os.dup(ring.descriptor))
    ring.publish(KIND_EVENT, b"old")
    list(consumer.drain())
    ring.publish(KIND_EVENT, b"waiting")
    late = RingWatcher(os.dup(ring.descriptor))
    assert [payload for _, payload in late.look()] == [b"waiting"]
    late.close()
    consumer.close()
