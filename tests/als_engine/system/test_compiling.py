"""Kernels on the disk are never older than what they were compiled from."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import event

from als_engine.system.compiling import kernel

OUTER = """
import sys
import inner
from als_engine.system.compiling import kernel
from inner import STEP, add

@kernel
def total(x):
    pair = inner.Pair(*(2.0, 5.0))
    return add(x) + STEP + inner.LENGTHS[0] + inner.twice(x) + pair.used

print(total(1.0), sum(total.stats.cache_hits.values()))
assert "scipy.linalg" not in sys.modules, "half a second, for kernels that multiply no matrices"
"""
INNER = """
from typing import NamedTuple
import numpy as np
from als_engine.system.compiling import kernel

class Pair(NamedTuple):
    {fields[0]}: float
    {fields[1]}: float

STEP = {step}
LENGTHS = np.array([{length}])

@kernel
def deep(x):
    return x * {factor}

@kernel
def add(x):
    return deep(x) + 1.0

@kernel(fastmath={{"nnan", "ninf", "nsz"}})
def twice(x):
    return 2.0 * x
"""
SEEDS = itertools.count(1)
AS_IT_WAS = {"step": 10.0, "length": 100.0, "factor": 1.0, "fields": ("used", "other")}


def run(folder: Path, cache: Path, **changed: Any) -> tuple[float, int]:
    """Runs the outer module: its kernel's value, and how many kernels came from the disk."""
    inner = folder / "inner.py"
    inner.write_text(INNER.format(**{**AS_IT_WAS, **changed}))
    (folder / "outer.py").write_text(OUTER)
    for path in folder.glob("*.py"):  # Numba's own look at the file's time must not help.
        os.utime(path, (1e9, 1e9))
    done = subprocess.run(
        [sys.executable, "-B", "outer.py"],
        cwd=folder,
        # Every process has its own order of sets.
        env={
            **os.environ,
            "NUMBA_CACHE_DIR": "",
            "XDG_CACHE_HOME": str(cache),
            "PYTHONHASHSEED": str(next(SEEDS)),
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    value, hits = done.stdout.split()
    return float(value), int(hits)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernels")
    assert run(folder, folder / "cache") == (116.0, 0)
    assert run(folder, folder / "cache") == (116.0, 1)
    return folder


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ({"step": 20.0}, 126.0),
        ({"length": 200.0}, 216.0),
        ({"factor": 3.0}, 118.0),
        ({"fields": ("other", "used")}, 119.0),
    ],
    ids=["a constant", "an array", "a kernel of a kernel", "the order of a tuple's names"],
)
def test_a_change_in_another_file_is_compiled_anew(
    compiled: Path, changed: dict[str, Any], value: float
) -> None:
    assert run(compiled, compiled / "cache", **changed)[0] == value


@kernel
def product(one: Any, two: Any) -> Any:
    return one @ two


def test_a_kernel_may_multiply_matrices() -> None:
    one, two = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    assert product(one, two).tolist() == [[19.0, 22.0], [43.0, 50.0]]


def test_the_garbage_collector_rests_while_a_kernel_is_compiled_and_no_longer() -> None:
    rested: list[bool] = []

    class Looks(event.Listener):
        def on_start(self, event: Any) -> None:
            rested.append(not gc.isenabled())

        def on_end(self, event: Any) -> None: ...

    with event.install_listener("numba:run_pass", Looks()):
        assert numba.njit(lambda one: one + 1.0)(1.0) == 2.0  # Never from the disk.
        assert gc.isenabled()
        gc.disable()
        try:
            assert numba.njit(lambda one: one + 1.0)(1.0) == 2.0
            assert not gc.isenabled()
        finally:
            gc.enable()
    assert rested
    assert all(rested)


def test_the_same_source_elsewhere_is_not_compiled_again(compiled: Path, tmp_path: Path) -> None:
    run(compiled, compiled / "cache")
    assert run(tmp_path, compiled / "cache") == (116.0, 1)


def test_without_a_folder_of_the_user_s_kernels_lie_beside_the_source(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.touch()
    assert run(tmp_path, nowhere) == (116.0, 0)
    assert run(tmp_path, nowhere) == (116.0, 1)
    assert [*(tmp_path / "__pycache__").glob("*.nbi")]
