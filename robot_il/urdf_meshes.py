"""The box around a mesh: all that a balancing robot's model needs to know of a shape from a drawing program."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robot_il.errors import ConfigError

MAX_MESH_BYTES = 50_000_000
_STL_HEADER_BYTES = 84
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def mesh_box(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The box around a mesh, along its own axes.

    Args:
        path: an STL (binary or text) or OBJ file of at most 50 MB.

    Returns:
        lowest and highest corner, (3,) each, in the file's unit.

    Raises:
        ConfigError: no such file, another format, or no finite corner in it.
    """
    corners = _read(path, _obj)
    return corners.min(axis=0), corners.max(axis=0)


def mesh_triangles(path: Path) -> np.ndarray:
    """The surface of a mesh, to be looked at.

    Args:
        path: as for ``mesh_box``.

    Returns:
        corners (T, 3, 3) of its triangles, in the file's unit and along its own axes.

    Raises:
        ConfigError: as ``mesh_box``, or a face with a corner that the file does not have.
    """
    corners = _read(path, _obj_faces)
    return corners[: len(corners) // 3 * 3].reshape(-1, 3, 3)


def _read(path: Path, obj: Callable[[bytes], np.ndarray]) -> np.ndarray:
    """Finite corners (N, 3) from a file.

    Args:
        path: of it.
        obj: what an OBJ file is read with.
    """
    suffix = path.suffix.lower()
    if suffix not in (".stl", ".obj"):
        raise ConfigError("a mesh as .stl or .obj", f"{path.name}", "convert it, or draw the shape as a primitive")
    try:
        if path.stat().st_size > MAX_MESH_BYTES:
            raise ConfigError(f"a mesh of at most {MAX_MESH_BYTES} bytes", f"{path}", "simplify it")
        data = path.read_bytes()
        corners = obj(data) if suffix == ".obj" else _stl(data)
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError("a readable mesh", f"{path}: {error}", "correct the file's name or the file") from error
    if not len(corners) or not np.isfinite(corners).all():
        raise ConfigError(f"finite corners in {path}", f"{len(corners)} corners", "export the mesh anew")
    return corners


def find_mesh(name: str, folder: Path) -> Path:
    """The file that a URDF means.

    Args:
        name: as the URDF has it: ``package://PACKAGE/PATH``, ``file:///PATH``, or a path from the URDF's folder.
        folder: of the URDF.

    Returns:
        a file that exists. A package is a folder of that name which holds PATH, or holds a ``package.xml`` and PATH
        under another name; the URDF's folder and all above it are searched, and what lies beside them.

    Raises:
        ConfigError: there is no such file.
    """
    if name.startswith("package://"):
        package, _, inside = name.removeprefix("package://").partition("/")
        above = [folder.resolve(), *folder.resolve().parents]
        places = [place / package / inside for place in above]
        places += [place / inside for place in above if (place / "package.xml").is_file()]
    else:
        places = [folder / name.removeprefix("file://")]
    for place in places:
        if place.is_file():
            return place
    raise ConfigError(f"the mesh {name}", "no such file", f"put it beside {folder}, or correct the URDF")


def _stl(data: bytes) -> np.ndarray:
    """Corners (N, 3). A binary file is told by its length: its header may begin with the word of the text form too."""
    if len(data) >= _STL_HEADER_BYTES:
        count = int.from_bytes(data[80:84], "little")
        if len(data) == _STL_HEADER_BYTES + count * _STL_TRIANGLE.itemsize:
            triangles = np.frombuffer(data, _STL_TRIANGLE, count, _STL_HEADER_BYTES)
            return triangles["corners"].reshape(-1, 3).astype(float)
    return _vertices(data, b"vertex")


def _obj(data: bytes) -> np.ndarray:
    return _vertices(data, b"v")


def _obj_faces(data: bytes) -> np.ndarray:
    """Corners (3 T, 3) of the faces, each cut into a fan of triangles."""
    corners, picked, known = _obj(data), [], 0
    for words in (line.split() for line in data.splitlines()):
        known += words[:1] == [b"v"]
        if words[:1] == [b"f"]:
            # numbered from 1, or back from the newest corner; a slash begins texture and normal
            numbers = [int(word.split(b"/")[0]) for word in words[1:]]
            face = [number - 1 if number > 0 else known + number for number in numbers]
            for place in range(1, len(face) - 1):
                picked += [face[0], face[place], face[place + 1]]
    return corners[picked]


def _vertices(data: bytes, keyword: bytes) -> np.ndarray:
    """Corners (N, 3): the first three numbers of each line that begins with the keyword."""
    lines = (line.split() for line in data.splitlines())
    numbers = [[float(word) for word in itertools.islice(words, 1, 4)] for words in lines if words[:1] == [keyword]]
    return np.array(numbers, dtype=float).reshape(-1, 3)
