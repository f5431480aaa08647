"""Films of frames: MP4 for people, GIF for pages."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from robot_il.errors import ConfigError

MP4, GIF = ".mp4", ".gif"
USUAL_FPS = {MP4: 50, GIF: 25}
"""By the file's ending; both divide the control rate."""
MOST_FPS = {MP4: 200, GIF: 50}
"""A GIF counts in hundredths of a second, and what is shorter than two of them is slowed down by most viewers."""
COLOURS = 96
"""Of a GIF; a robot on a floor of two tones has few, and each costs bytes."""
MOST_SAID = 500
"""Bytes of what the encoder says of a failure that are shown."""
_RAW = ("-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24")
_H264 = ("-an", "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
"""What every browser plays, at a quality at which flat colours stay flat."""


def check_film(path: Path, fps: int | None) -> int:
    """Frames per second of a film that can be made.

    Args:
        path: of the film.
        fps: as asked for; None for the usual of its kind.

    Raises:
        ConfigError: another ending, a folder that is not there, or a rate that its kind does not have.
    """
    kind = path.suffix.lower()
    if kind not in USUAL_FPS or not path.parent.is_dir():
        raise ConfigError(
            f"a film ending in {' or '.join(USUAL_FPS)} in a folder that exists", str(path), "name another"
        )
    fps = USUAL_FPS[kind] if fps is None else fps
    if not 1 <= fps <= MOST_FPS[kind]:
        raise ConfigError(f"1 to {MOST_FPS[kind]} frames a second for a {kind}", f"{fps}", "choose another rate")
    if kind == GIF and 100 % fps:
        raise ConfigError("a rate for a GIF that divides 100", f"{fps}", "choose 10, 20, 25 or 50")
    return fps


def write_film(path: Path, frames: Iterable[np.ndarray], fps: int) -> int:
    """Makes a film under a temporary name and gives it its own when it is whole.

    Args:
        path: ending in ``.mp4`` or ``.gif``.
        frames: each (height, width, 3) uint8, all of one size; taken one by one.
        fps: frames per second.

    Returns:
        how many frames it has.

    Raises:
        ConfigError: no frame, or no encoder for that kind.
    """
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    counted = _Counted(frames)
    try:
        (_write_gif if path.suffix.lower() == GIF else _write_mp4)(temporary, counted, fps)
        if not counted.count:
            raise ConfigError("a film of at least one frame", "none", "ask for a longer one")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return counted.count


class _Counted:
    """Frames on their way, with how many have passed."""

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self._frames = iter(frames)
        self.count = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self._frames:
            self.count += 1
            yield frame


def _write_mp4(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        remedy = "install it from the repository with: pip install '.[gym]', or make a GIF"
        raise ConfigError("imageio-ffmpeg for an MP4", "no such module", remedy) from error
    encoder: subprocess.Popen[bytes] | None = None
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        for frame in frames:
            # H.264 halves the colours' resolution: edges have to be even
            even = np.ascontiguousarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])
            if encoder is None:
                size = f"{even.shape[1]}x{even.shape[0]}"
                command = [get_ffmpeg_exe(), *_RAW, "-s", size, "-r", str(fps), "-i", "-", *_H264, str(path)]
                encoder = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log))
                stack.callback(encoder.kill)
            assert encoder.stdin is not None
            try:
                encoder.stdin.write(even.data)
            except BrokenPipeError:
                break
        if encoder is not None:
            encoder.communicate()
            if encoder.returncode:
                log.seek(0)
                came = log.read(MOST_SAID).decode("utf-8", "replace").strip()
                raise ConfigError("an encoder that takes the film", came or "nothing", "make a GIF, or free the disk")


def _write_gif(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    images = (
        Image.fromarray(frame).quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        for frame in frames
    )
    first = next(images, None)
    if first is not None:
        first.save(path, "GIF", save_all=True, append_images=images, duration=1000 // fps, loop=0, optimize=False)
