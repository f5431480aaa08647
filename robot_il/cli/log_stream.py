"""``robot-il log stream``: a recording, finished or still growing, for Foxglove and PlotJuggler to watch.

Another process than the one that drives, and it reads what the recorder has written already: the loop does not know
of it. What it shows is up to a quarter of a second old, which is how long a chunk of the log stays open.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foxglove import Channel, Context
    from mcap.records import Message

    from robot_il.recording.follow import Follower

HOST = "127.0.0.1"
PORT = 8765
POLL_S = 0.05
BACKLOG = 16_384
"""Messages that wait for a slow watcher; more are dropped, for them alone."""
SETTLE_S = 0.3
"""From the first subscription on, so that a program that subscribes to several topics misses nothing of any."""
SHOWN_BEFORE_NS = 1_000_000_000
"""Of ticks and hands that were recorded before anybody watched, so much is shown; of events and sessions all."""


def add_parser(parts: argparse._SubParsersAction) -> None:
    """Adds the command."""
    text = "show a recording live in Foxglove or PlotJuggler, finished or while it is being made"
    parser = parts.add_parser("stream", help=text, description=text)
    parser.add_argument("file", type=Path, metavar="FILE", help="a log, or NAME.recording")
    parser.add_argument("--follow", action="store_true", help="show what is being recorded, until it ends")
    parser.add_argument("--speed", type=float, default=1.0, help="of a finished recording (default 1: as it was)")
    parser.add_argument("--host", default=HOST, help=f"address to listen on (default {HOST}: this machine alone)")
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 for any that is free")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serves until the recording has been shown, or Ctrl-C."""
    from robot_il.errors import ConfigError
    from robot_il.recording.follow import Follower

    if not args.speed > 0.0 or not 0 <= args.port < 65536:
        came = f"--speed {args.speed} --port {args.port}"
        raise ConfigError("a positive --speed and a --port under 65536", came, "correct them")
    with Follower(args.file) as follower:
        first = follower.read()
        serve(follower, first, args)


def serve(follower: Follower, first: list[Message], args: argparse.Namespace) -> None:
    """Opens the server, waits for somebody to watch, and sends.

    Args:
        follower: of the recording, the messages ``first`` taken from it already.
        first: they, at least the descriptions of the topics.
        args: of the command.

    Raises:
        LinkError: the address cannot be listened on.
    """
    import foxglove

    from robot_il.errors import LinkError

    watched: Any = _Watched()
    context = foxglove.Context()
    try:
        server = foxglove.start_server(
            name=args.file.name,
            host=args.host,
            port=args.port,
            context=context,
            server_listener=watched,
            message_backlog_size=BACKLOG,
        )
    except RuntimeError as error:
        raise LinkError(f"to listen on {args.host}:{args.port}", str(error), "choose another --port") from error
    try:
        send = _sender(follower, context)
        print(f"open ws://{args.host}:{server.port} in Foxglove or PlotJuggler (Ctrl-C ends)", flush=True)
        watched.event.wait()
        time.sleep(SETTLE_S)
        sent = _follow(follower, first, send) if args.follow else _play(follower, first, send, args.speed)
        print(f"{sent} messages sent; the recording ends here")
        time.sleep(SETTLE_S)
    finally:
        server.stop()


class _Watched:
    """Learns of the first subscription: what is needed of a ``foxglove.ServerListener``."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def on_subscribe(self, client: Any, channel: Any) -> None:
        """Somebody watches."""
        self.event.set()

    def on_unsubscribe(self, client: Any, channel: Any) -> None:
        """Nothing: whoever comes later sees what comes later."""


def _sender(follower: Follower, context: Context) -> Callable[[Iterable[Message]], int]:
    """A function that sends messages, each on a channel described as in the file; it returns how many."""
    import foxglove

    channels: dict[int, Channel] = {}

    def channel_of(number: int) -> Channel:
        if number not in channels:
            topic = follower.topics[number]
            schema = foxglove.Schema(name=topic.schema_name, encoding=topic.schema_encoding, data=topic.schema)
            channels[number] = foxglove.Channel(
                topic.name, schema=schema, message_encoding=topic.encoding, metadata=topic.metadata, context=context
            )
        return channels[number]

    def send(messages: Iterable[Message]) -> int:
        count = 0
        for message in messages:
            channel_of(message.channel_id).log(message.data, log_time=message.log_time)
            count += 1
        return count

    for number in follower.topics:
        channel_of(number)
    return send


def _follow(follower: Follower, first: list[Message], send: Callable[[Iterable[Message]], int]) -> int:
    """Sends what comes until the recording has ended or its writer is gone; returns how many messages."""
    from robot_il.recording.schema import HAND_CHANNEL, TICK_CHANNEL

    known = first
    while messages := follower.read():
        known += messages
    newest = max((message.log_time for message in known), default=0)
    fast = (TICK_CHANNEL, HAND_CHANNEL)
    sent = send(
        message
        for message in known
        if message.channel_id not in fast or message.log_time > newest - SHOWN_BEFORE_NS
    )  # fmt: skip
    while not follower.finished:
        alive = follower.being_written
        messages = follower.read()
        sent += send(messages)
        if not messages and not alive:
            break
        time.sleep(POLL_S)
    return sent


def _play(follower: Follower, first: list[Message], send: Callable[[Iterable[Message]], int], speed: float) -> int:
    """Sends all of a recording, as fast as it was made times ``speed``; returns how many messages."""
    from robot_il.recording.schema import TICK_CHANNEL

    began, start_ns, sent = time.monotonic(), None, 0
    waiting = first
    while waiting:
        for message in waiting:
            # what a simulation logged by another clock than its ticks is not waited for
            start_ns = message.log_time if start_ns is None and message.channel_id == TICK_CHANNEL else start_ns
            due_s = (message.log_time - (start_ns or message.log_time)) / 1e9 / speed
            ahead_s = due_s - (time.monotonic() - began)
            if message.channel_id == TICK_CHANNEL and ahead_s > POLL_S:
                time.sleep(ahead_s)
            sent += send([message])
        waiting = follower.read()
    return sent
