from __future__ import annotations

import contextlib
import itertools
import os

import numpy as np
import pytest

from firmware_bridge.protocol import Decoder, encode
from robot_il.robot import Robot
from robot_il.spec import PROTOCOL_VERSION, SPEC_HASH_U64
from sim.conditions import Conditions
from sim.lockstep import Channel, JitteryChannel, LockstepLink, channels_of
from sim.monitor import EventLog
from sim.pseudo_terminal import PseudoTerminal
from sim.server import Server
from sim.twin import Twin


def slow(**figures: float) -> Conditions:
    return Conditions(figures=tuple((f"link.{name}", value) for name, value in figures.items()))


def arrivals(channel: Channel, sent_us: list[int]) -> list[int]:
    """When each piece comes out, looked for every microsecond."""
    waiting = {when: number.to_bytes(2, "big") for number, when in enumerate(sent_us)}
    came: dict[int, int] = {}
    for now in range(sent_us[-1] + 100_000):
        if now in waiting:
            channel.put(now, waiting[now])
        data = channel.take(now)
        for start in range(0, len(data), 2):
            came[int.from_bytes(data[start : start + 2], "big")] = now
        if len(came) == len(sent_us):
            break
    assert list(came) == sorted(came), "one piece overtook another"
    return [came[number] for number in range(len(sent_us))]


def test_jitter_delays_by_its_mean_and_never_reorders() -> None:
    sent = list(range(0, 400_000, 1_000))
    channel = JitteryChannel(500, 300.0, np.random.default_rng(2))
    late = np.array(arrivals(channel, sent)) - sent
    assert late.min() >= 500
    assert late.mean() == pytest.approx(800.0, rel=0.1)
    assert np.median(late) < late.mean()


def test_a_jitter_far_above_the_spacing_keeps_the_order() -> None:
    sent = list(range(0, 20_000, 200))
    late = arrivals(JitteryChannel(0, 5_000.0, np.random.default_rng(3)), sent)
    assert all(first <= second for first, second in itertools.pairwise(late))


@pytest.mark.parametrize(("to_host", "to_mcu"), [(0.004, 0.0), (0.0, 0.007)])
def test_each_direction_has_a_delay_of_its_own(robot: Robot, to_host: float, to_mcu: float) -> None:
    with contextlib.closing(Twin(robot, slow(to_host_s=to_host, to_mcu_s=to_mcu), 1, boot_id=5)) as twin:
        link, decoder = LockstepLink(twin), Decoder()
        link.write(encode("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64))
        answered = None
        while answered is None:
            messages = decoder.feed(link.read(link.clock.now_ns() + 1_000_000))
            if any(name == "IDENTITY" for name, _ in messages):
                answered = link.clock.now_ns()
    with contextlib.closing(Twin(robot, Conditions(), 1, boot_id=5)) as twin:
        link, decoder = LockstepLink(twin), Decoder()
        link.write(encode("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64))
        while not any(name == "IDENTITY" for name, _ in decoder.feed(link.read(link.clock.now_ns() + 1_000_000))):
            pass
        assert answered - link.clock.now_ns() == 1e9 * (to_host + to_mcu)


def test_a_line_without_figures_is_the_plain_one(robot: Robot) -> None:
    with contextlib.closing(Twin(robot, Conditions(), 1)) as twin:
        assert [type(channel) for channel in channels_of(twin, 1)] == [Channel, Channel]


def test_the_same_seed_jitters_alike_and_both_ways_differ(robot: Robot) -> None:
    sent = list(range(0, 50_000, 1_000))
    came = []
    for seed in (1, 1, 2):
        with contextlib.closing(Twin(robot, slow(jitter_s=0.001), seed)) as twin:
            came.append([arrivals(channel, sent) for channel in channels_of(twin, 0)])
    assert came[0] == came[1]
    assert came[0] != came[2]
    assert came[0][0] != came[0][1]


@pytest.mark.parametrize("figures", [{}, {"to_host_s": 0.03}, {"to_mcu_s": 0.03}])
def test_behind_a_pseudo_terminal_the_line_takes_as_long(robot: Robot, figures: dict[str, float]) -> None:
    with contextlib.ExitStack() as stack:
        twin = stack.enter_context(contextlib.closing(Twin(robot, slow(**figures), 1, boot_id=5)))
        terminal = stack.enter_context(contextlib.closing(PseudoTerminal()))
        host = os.open(terminal.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        stack.callback(os.close, host)
        server, decoder = Server(twin, terminal, EventLog(None)), Decoder()
        os.write(host, encode("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64))
        steps = 0
        while not any(name == "IDENTITY" for name, _ in decoder.feed(read(host))):
            server._step()
            steps += 1
            assert steps < 100
        assert steps == pytest.approx(1 + 1000 * sum(figures.values()), abs=1)


def read(host: int) -> bytes:
    try:
        return os.read(host, 4096)
    except BlockingIOError:
        return b""
