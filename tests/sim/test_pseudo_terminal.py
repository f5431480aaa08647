from __future__ import annotations

import array
import fcntl
import os
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_il.errors import ConfigError
from sim.pseudo_terminal import BACKLOG, PseudoTerminal


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    made = PseudoTerminal()
    yield made
    made.close()


def read_all(port: str, size: int = 65_536) -> bytes:
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, size)
    except BlockingIOError:
        return b""
    finally:
        os.close(descriptor)


def until_delivered(host: int, before: int) -> int:
    """The kernel hands bytes over in its own time: waits until there are others to read than before; how many."""
    for _ in range(5000):
        count = array.array("i", [0])
        fcntl.ioctl(host, termios.FIONREAD, count)
        if count[0] not in (0, before):
            return count[0]
        time.sleep(0.001)
    raise AssertionError("bytes written to the terminal never arrived")


def test_every_byte_value_passes_unchanged_both_ways(terminal: PseudoTerminal) -> None:
    everything = bytes(range(256))
    terminal.write(everything)
    host = os.open(terminal.port, os.O_RDWR | os.O_NOCTTY)
    assert os.read(host, 1000) == everything
    os.write(host, everything)
    os.close(host)
    assert terminal.read() == everything


def test_reading_does_not_wait(terminal: PseudoTerminal) -> None:
    assert terminal.read() == b""


def test_hosts_come_and_go(terminal: PseudoTerminal) -> None:
    for turn in (b"one", b"two"):
        host = os.open(terminal.port, os.O_RDWR | os.O_NOCTTY)
        os.write(host, turn)
        os.close(host)
        assert terminal.read() == turn
        assert terminal.read() == b""
    terminal.write(b"still here")
    assert read_all(terminal.port) == b"still here"


def test_what_nobody_reads_is_dropped_and_counted_and_the_newest_stays(terminal: PseudoTerminal) -> None:
    frames = [f"{number:>99},".encode() for number in range(100)]
    host = os.open(terminal.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    unread = 0
    for frame in frames:
        terminal.write(frame)
        unread = until_delivered(host, unread)
    waiting = os.read(host, 65_536)
    os.close(host)
    assert waiting.endswith(frames[-1])
    assert len(waiting) <= BACKLOG + 100
    assert terminal.dropped_bytes == 100 * 100 - len(waiting) > 0


def test_a_burst_into_a_full_buffer_neither_blocks_nor_goes_uncounted(terminal: PseudoTerminal) -> None:
    for _ in range(3000):
        terminal.write(bytes(100))
    assert terminal.dropped_bytes > 100 * 1000


def test_the_link_leads_to_the_port_and_goes_with_it(tmp_path: Path) -> None:
    link = tmp_path / "robot"
    link.symlink_to("/dev/nothing")
    terminal = PseudoTerminal(link)
    assert str(link.readlink()) == terminal.port
    terminal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_another_twin_took_over_is_left_to_it(tmp_path: Path) -> None:
    first, second = PseudoTerminal(tmp_path / "robot"), PseudoTerminal(tmp_path / "robot")
    first.close()
    assert str((tmp_path / "robot").readlink()) == second.port
    second.close()


def test_a_file_in_the_links_place_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "robot").write_text("precious")
    with pytest.raises(ConfigError):
        PseudoTerminal(tmp_path / "robot")
    assert (tmp_path / "robot").read_text() == "precious"


def test_a_link_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        PseudoTerminal(tmp_path / "nowhere" / "robot")
