"""A real WebSocket client watches a recording: what arrives are the log's own messages, named and with units."""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robot_il.recording.recorder import Recorder, recording_name
from robot_il.recording.schema import EVENT_TOPIC, SESSION_TOPIC, TICK_TOPIC
from robot_il.spec import TICK_SIGNALS
from tests.recording.conftest import SESSION, plausible_ticks, write_log

pytest.importorskip("foxglove", reason="the live stream needs the part [foxglove]")
connect = pytest.importorskip("websockets.asyncio.client").connect

PATIENCE_S = 60
MESSAGE_DATA = 1
"""Opcode of a message in the Foxglove WebSocket protocol: subscription (u32), time in ns (u64), data."""


@contextlib.contextmanager
def streaming(*arguments: object) -> Iterator[tuple[str, subprocess.Popen]]:
    """A running ``robot-il log stream`` on a free port, and its address."""
    command = [sys.executable, "-m", "robot_il.cli.main", "log", "stream", "--port", "0", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r"ws://\S+", process.stdout.readline())
            assert found, process.stderr.read()
            yield found[0], process
        finally:
            process.kill()


async def watch(address: str, enough) -> tuple[dict, list[tuple[str, int, bytes]]]:
    """Subscribes to every topic; gives their descriptions, and (topic, time, data) of what comes until it is enough."""
    topics: dict[int, dict] = {}
    got: list[tuple[str, int, bytes]] = []
    async with asyncio.timeout(PATIENCE_S), connect(address, subprotocols=["foxglove.sdk.v1"], max_size=None) as socket:
        async for message in socket:
            if isinstance(message, str):
                values = json.loads(message)
                if values["op"] == "advertise":
                    topics |= {channel["id"]: channel for channel in values["channels"]}
                    wanted = [{"id": number, "channelId": number} for number in topics]
                    await socket.send(json.dumps({"op": "subscribe", "subscriptions": wanted}))
            elif message[0] == MESSAGE_DATA:
                topic = topics[int.from_bytes(message[1:5], "little")]["topic"]
                got.append((topic, int.from_bytes(message[5:13], "little"), message[13:]))
                if enough(got):
                    break
    return {channel["topic"]: channel for channel in topics.values()}, got


def count(got, topic: str) -> int:
    return sum(name == topic for name, _, _ in got)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    path = write_log(tmp_path_factory.mktemp("stream") / "run.mcap", plausible_ticks(300), events=3)
    with streaming(path, "--speed", 20) as (address, _):
        topics, got = asyncio.run(watch(address, lambda got: count(got, SESSION_TOPIC) == 2))
    return topics, got


def test_every_tick_of_a_recording_arrives_in_order_and_bit_for_bit(watched):
    _, got = watched
    rows = [data[4:] for topic, _, data in got if topic == TICK_TOPIC]
    assert b"".join(rows) == plausible_ticks(300).tobytes()
    assert [when for topic, when, _ in got if topic == TICK_TOPIC] == plausible_ticks(300)["host_receive_ns"].tolist()


def test_the_fields_arrive_named_and_with_units_and_another_program_can_read_them(watched):
    topics, got = watched
    tick = topics[TICK_TOPIC]
    assert (tick["encoding"], tick["schemaEncoding"], tick["schemaName"]) == ("cdr", "ros2msg", "robot_il/Tick")
    lines = tick["schema"].splitlines()
    assert [(line.split()[1], re.search(r"\[(.*?)\]", line)[1]) for line in lines] == [
        (signal.name, signal.unit) for signal in TICK_SIGNALS
    ]
    row = _decoded(tick, next(data for topic, _, data in got if topic == TICK_TOPIC))
    assert row["pitch"] == pytest.approx(plausible_ticks(300)["pitch"][0])


def _decoded(channel: dict, data: bytes) -> dict:
    """Read by Foxglove's own decoder of ROS 2 messages, from nothing but what the stream says of itself."""
    from mcap.records import Schema
    from mcap_ros2.decoder import DecoderFactory

    schema = Schema(1, channel["schema"].encode(), "ros2msg", channel["schemaName"])
    message = DecoderFactory().decoder_for("cdr", schema)(data)
    return {signal.name: getattr(message, signal.name) for signal in TICK_SIGNALS}


def test_events_and_the_session_arrive_as_json(watched):
    topics, got = watched
    assert topics[EVENT_TOPIC]["encoding"] == "json"
    assert [json.loads(data)["name"] for topic, _, data in got if topic == EVENT_TOPIC] == ["mark"] * 3
    assert json.loads(next(data for topic, _, data in got if topic == SESSION_TOPIC))["task"] == "stand"


def test_a_recording_is_watched_while_it_is_made_until_it_ends(tmp_path):
    ticks = plausible_ticks(2000)
    path = tmp_path / "run.mcap"

    async def record_and_watch(address: str):
        watching = asyncio.create_task(watch(address, lambda got: count(got, SESSION_TOPIC) == 2))
        for row in ticks[1000:]:
            recorder.tick(row.tobytes())
            await asyncio.sleep(0.002)
        recorder.event("last")
        await asyncio.to_thread(recorder.close)
        return await watching

    with Recorder(path, SESSION) as recorder:
        for row in ticks[:1000]:
            recorder.tick(row.tobytes())
        _wait_for(recording_name(path), 60_000)
        with streaming("--follow", recording_name(path)) as (address, process):
            _, got = asyncio.run(record_and_watch(address))
            assert process.wait(PATIENCE_S) == 0
    rows = np.frombuffer(b"".join(data[4:] for topic, _, data in got if topic == TICK_TOPIC), ticks.dtype)
    assert rows.tobytes() == ticks[-len(rows) :].tobytes(), "what is shown is an unbroken end of the recording"
    assert 200 <= len(rows) < 1990, "of what was before anybody watched, only the last second"
    assert "last" in [json.loads(data)["name"] for topic, _, data in got if topic == EVENT_TOPIC]


def _wait_for(path: Path, size: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while path.stat().st_size < size:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_listens_on_this_machine_alone_unless_told(tmp_path):
    with streaming(write_log(tmp_path / "run.mcap", plausible_ticks(10))) as (address, _):
        assert address.startswith("ws://127.0.0.1:")


def test_a_port_that_is_taken_is_an_error_of_one_line(tmp_path):
    path = write_log(tmp_path / "run.mcap", plausible_ticks(10))
    with streaming(path) as (address, _):
        port = address.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "robot_il.cli.main", "log", "stream", str(path), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert re.fullmatch(r"robot-il: error: expected to listen on 127\.0\.0\.1:\d+.*\n", done.stderr)
