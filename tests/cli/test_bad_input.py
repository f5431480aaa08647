"""Bad input: one line that says what was expected, what came and what to do; exit code 1; nothing half-written."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.link import SerialLink
from firmware_bridge.protocol import Decoder, encode
from robot_il.cli.main import main
from robot_il.learning.export import write_policy
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.spec import PROTOCOL_VERSION, SPEC_HASH_U64
from tests.control.test_onnx_policy import description


class Peer:
    """Something at the other end of a serial port that answers each chunk it hears, and chatters if told to."""

    def __init__(self, answer: Callable[[bytes], bytes], chatter: bytes = b"") -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._answer, self._chatter = answer, chatter
        self._running = threading.Event()
        self._running.set()
        os.set_blocking(self._master, False)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while self._running.is_set():
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, self._answer(os.read(self._master, 65536)))
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, self._chatter)
            threading.Event().wait(0.005)

    def close(self) -> None:
        self._running.clear()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(contextlib.closing(Peer(*arguments)))


def identity(version: int, spec_hash: int) -> Callable[[bytes], bytes]:
    decoder = Decoder()

    def answer(data: bytes) -> bytes:
        heard = [name for name, _ in decoder.feed(data)]
        return encode("IDENTITY", version, spec_hash, 1, 256, 7) if "HELLO" in heard else b""

    return answer


def refused(capfd: pytest.CaptureFixture, *arguments: object) -> str:
    """Runs a command that must be refused; returns its message."""
    code = main([str(argument) for argument in arguments])
    message = capfd.readouterr().err.strip().splitlines()[-1]
    assert code == 1
    assert message.startswith("robot-il: error: expected ")
    assert "; came " in message
    return message


def record(port: object, out: Path) -> list[object]:
    return ["record", "--device", port, "--controller", "lqr", "--label", "expert", "--seconds", "1", "--out", out]


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A log that a refused command must not have begun."""
    folder = tmp_path / "out"
    folder.mkdir()
    yield folder / "log.mcap"
    assert list(folder.iterdir()) == []


def test_a_missing_port(capfd, out: Path) -> None:
    message = refused(capfd, *record("/dev/ttyNOWHERE", out))
    assert "/dev/ttyNOWHERE" in message


def test_a_busy_port(capfd, out: Path, peer) -> None:
    port = peer(lambda data: b"").port
    with contextlib.closing(SerialLink(port)):
        message = refused(capfd, *record(port, out))
    assert port in message


def test_a_silent_port(capfd, out: Path, peer) -> None:
    message = refused(capfd, *record(peer(lambda data: b"").port, out))
    assert "nothing" in message


def test_a_port_that_speaks_another_protocol(capfd, out: Path, peer) -> None:
    message = refused(capfd, *record(peer(lambda data: b"", b"$GPGGA,092750.000,5321.6802,N*76\r\n").port, out))
    assert "another protocol" in message


def test_a_robot_of_another_protocol_version_names_both(capfd, out: Path, peer) -> None:
    message = refused(capfd, *record(peer(identity(PROTOCOL_VERSION + 1, SPEC_HASH_U64)).port, out))
    assert str(PROTOCOL_VERSION) in message
    assert str(PROTOCOL_VERSION + 1) in message


def test_a_robot_of_another_spec_names_both(capfd, out: Path, peer) -> None:
    message = refused(capfd, *record(peer(identity(PROTOCOL_VERSION, 0xDEADBEEFDEADBEEF)).port, out))
    assert "deadbeef" in message
    assert f"{SPEC_HASH_U64:016x}"[:8] in message


def test_a_time_that_is_not_positive(capfd, out: Path) -> None:
    arguments = record("/dev/null", out)
    arguments[arguments.index("1")] = "-3"
    assert "-3" in refused(capfd, *arguments)


@pytest.mark.parametrize("command", ["info", "check", "recover"])
@pytest.mark.parametrize("content", [None, b"", b"not a log at all", b"\x89MCAP0\r\n"], ids=str)
def test_a_log_that_is_missing_empty_or_foreign(capfd, tmp_path: Path, command: str, content: bytes | None) -> None:
    path = tmp_path / "bad.mcap"
    if content is not None:
        path.write_bytes(content)
    assert "bad.mcap" in refused(capfd, "log", command, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ([] if content is None else ["bad.mcap"])


def test_a_replay_of_a_missing_log(capfd, tmp_path: Path) -> None:
    assert "gone.mcap" in refused(capfd, "replay", tmp_path / "gone.mcap")


def policy(path: Path, **changes: object) -> Path:
    """A one-layer policy file, valid but for what ``changes`` say."""
    metadata = description(**changes)
    size = len(metadata.observation)
    weights = PolicyWeights(
        np.zeros(size),
        np.ones(size),
        np.inf,
        ((np.ones((size, 1)), np.zeros(1)),),
        np.full(1, 8.0),
        np.zeros(1),
        squash="clip",
    )
    write_policy(weights, metadata, np.random.default_rng(0).normal(size=(50, size)), path)
    return path


def run_policy(path: Path, log: Path) -> list[object]:
    return ["run", path, "--device", "/dev/null", "--seconds", "1", "--out", log]


def test_a_policy_of_another_task_names_both(capfd, tmp_path: Path, out: Path) -> None:
    good = policy(tmp_path / "good.onnx")
    message = refused(capfd, *run_policy(good, out), "--task", "drive")
    assert "'drive'" in message
    assert "'stand'" in message


def test_a_changed_policy_is_refused(capfd, tmp_path: Path, out: Path) -> None:
    good = policy(tmp_path / "good.onnx")
    content = bytearray(good.read_bytes())
    content[len(content) // 2] ^= 1
    good.write_bytes(content)
    refused(capfd, *run_policy(good, out))


@pytest.mark.parametrize("content", [None, b"", b"not onnx"], ids=str)
def test_a_policy_that_is_missing_or_foreign(capfd, tmp_path: Path, out: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    assert "bad.onnx" in refused(capfd, *run_policy(path, out))


def test_an_evaluation_without_episodes(capfd, tmp_path: Path) -> None:
    refused(capfd, "evaluate", policy(tmp_path / "good.onnx"), "--episodes", "0")


def test_a_policy_is_not_evaluated_for_another_task(capfd, tmp_path: Path) -> None:
    message = refused(capfd, "evaluate", policy(tmp_path / "good.onnx"), "--task", "drive", "--episodes", "1")
    assert "'drive'" in message
    assert "'stand'" in message


def test_an_export_that_is_refused_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "nowhere"), "--c", str(tmp_path / "c")]) == 1
    assert "expected a policy file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_mode_of_nobodys_hand(capfd, out: Path) -> None:
    message = refused(capfd, *record("/dev/null", out), "--mode", "direct")
    assert "--controller person" in message
    assert not out.exists()


@pytest.mark.parametrize("page", ["--html", "--json"])
def test_a_place_for_a_report_is_tried_before_the_trials(capfd, tmp_path: Path, page: str) -> None:
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "report"
    assert str(place) in refused(capfd, "twin", "engines", page, place, "--draws", 1000)


def test_episodes_in_a_folder_that_cannot_be_made(capfd, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    logs = tmp_path / "file" / "logs"
    assert str(logs) in refused(capfd, "collect", "--controller", "lqr", "--out", logs, "--workers", 1)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_console_on_a_port_that_is_none(capfd, tmp_path: Path, port: int) -> None:
    assert "1 to 65535" in refused(capfd, "console", "--port", str(port), "--data", tmp_path)


def test_a_console_on_a_port_that_is_taken(capfd, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in refused(capfd, "console", "--port", str(port), "--data", tmp_path)


@pytest.mark.parametrize("host", ["999.1.1.1", "203.0.113.7"], ids=["no address", "another machine's"])
def test_a_console_on_an_address_that_is_not_of_this_machine(capfd, tmp_path: Path, host: str) -> None:
    message = refused(capfd, "console", "--host", host, "--data", tmp_path)
    assert host in message
    assert "token" not in message


def test_a_console_whose_folder_cannot_be_made(capfd, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "--data" in refused(capfd, "console", "--data", tmp_path / "file" / "data")
