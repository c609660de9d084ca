"""What a file declares is checked before anything of it is allocated; what is wrong is one line."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from als_engine.errors import SavedFileError
from als_engine.system.safe_files import (
    MAX_TENSORS,
    read_bytes,
    read_tensors,
    unpack_tensors,
    write_tensors,
)

LIKE = {"table": np.zeros((3, 2), np.float32), "steps": np.array(0, np.int64)}
LITTLE = 16 << 20
"""More memory than refusing a file may take, bytes."""


def refused(act: Callable[[], Any]) -> str:
    """The one line of a refusal that allocates hardly anything."""
    tracemalloc.start()
    try:
        with pytest.raises(SavedFileError) as caught:
            act()
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_header(path: Path, header: Any, size: int = 64) -> Path:
    """A file whose header is this, followed by so many bytes that the disk does not hold."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + size)
    return path


def tensor(dtype: str, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HEADERS = {
    "more values than fit": {"table": tensor("F32", [1 << 40, 1 << 40], 0, 64)},
    "a shape whose product wraps around": {"table": tensor("F32", [1 << 32, 1 << 32], 0, 0)},
    "a negative axis": {"table": tensor("F32", [-4, -4], 0, 64)},
    "an axis that is no whole number": {"table": tensor("F32", [4.0, 4], 0, 64)},
    "an axis that is true": {"table": tensor("F32", [True, 16], 0, 64)},
    "a thousand axes": {"table": tensor("F32", [1] * 1_000, 0, 4)},
    "an end before the beginning": {"table": tensor("F32", [4, 4], 64, 0)},
    "an end behind the file": {"table": tensor("F32", [1 << 20], 0, 4 << 20)},
    "a gap": {"table": tensor("F32", [8], 32, 64)},
    "two that overlap": {"a": tensor("F32", [16], 0, 64), "b": tensor("F32", [8], 0, 32)},
    "an unknown type": {"table": tensor("F1024", [4, 4], 0, 64)},
    "a type that is a list": {"table": tensor([], [4, 4], 0, 64)},
    "no offsets": {"table": {"dtype": "F32", "shape": [4, 4]}},
    "three offsets": {"table": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64, 64]}},
    "a text instead of a tensor": {"table": "F32"},
    "a list": [1, 2],
    "a name twice": b'{"a":{"dtype":"U8","shape":[64],"data_offsets":[0,64]},"a":{}}',
    "deep nesting": b'{"a":' + b"[" * 200_000,
    "no JSON": b"{" + b"\xff" * 50,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=list(HEADERS))
@pytest.mark.parametrize("like", [None, LIKE], ids=["any", "known"])
def test_a_header_that_lies_is_refused_before_anything_is_read(
    tmp_path: Path, header: Any, like: Any
) -> None:
    path = with_header(tmp_path / "file", header)
    assert str(path) in refused(lambda: read_tensors(path, like))
    data = path.read_bytes()
    assert "whole safetensors" in refused(lambda: unpack_tensors(data, path))


def test_a_sparse_file_of_terabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    size = 1 << 40
    header = {"table": tensor("F32", [size // 4], 0, size)}
    path = with_header(tmp_path / "file", header, size)
    for like, most in ((None, MAX_TENSORS), (LIKE, 32 + (1 << 20))):
        line = refused(lambda like=like: read_tensors(path, like))
        assert f"{path.stat().st_size} bytes; at most {most} are read" in line
    assert "at most 100 are read" in refused(lambda: read_bytes(path, 100))


def test_what_is_not_asked_for_is_not_read(tmp_path: Path) -> None:
    size = 1 << 29
    header = {"steps": tensor("I64", [], 0, 8), "other": tensor("U8", [size], 8, 8 + size)}
    path = with_header(tmp_path / "file", header, 8 + size)
    tracemalloc.start()
    found = read_tensors(path, {"steps": LIKE["steps"]}, others=True)
    assert tracemalloc.get_traced_memory()[1] < LITTLE
    tracemalloc.stop()
    assert set(found) == {"steps"}
    small = with_header(
        tmp_path / "small", {"steps": header["steps"], "b": tensor("U8", [9], 8, 17)}, 17
    )
    assert 'has an unexpected tensor "b"' in refused(
        lambda: read_tensors(small, {"steps": LIKE["steps"]})
    )


def test_names_shapes_and_types_are_compared_before_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for arrays, line in (
        ({**LIKE, "more": np.zeros(2)}, 'has an unexpected tensor "more"'),
        ({"table": LIKE["table"]}, 'has no tensor "steps"'),
        ({**LIKE, "table": np.zeros((2, 3), np.float32)}, r"is float32 (2, 3), and should be"),
        ({**LIKE, "table": np.zeros((3, 2))}, "is float64 (3, 2), and should be float32 (3, 2)"),
    ):
        write_tensors(path, arrays)
        assert line in refused(lambda: read_tensors(path, LIKE))
    write_tensors(path, {"table": LIKE["table"]})
    assert set(read_tensors(path, LIKE, optional=["steps"])) == {"table"}


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "empty": np.zeros((0, 3), np.float32),
        "none": np.array(5, np.uint8),
        **{
            dtype: (rng.random((3, 2)) * 100).astype(dtype)
            for dtype in (
                "bool",
                "uint8",
                "int16",
                "uint32",
                "int64",
                "float16",
                "float32",
                "float64",
            )
        },
    }
    write_tensors(tmp_path / "file", arrays)
    for found in (
        read_tensors(tmp_path / "file"),
        read_tensors(tmp_path / "file", arrays),
        unpack_tensors((tmp_path / "file").read_bytes(), "file"),
    ):
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            assert (found[name] == array).all()
            assert found[name].flags.writeable
