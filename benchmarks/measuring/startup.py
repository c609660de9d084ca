"""Measures how long `import als_engine` takes."""

from __future__ import annotations

import statistics
import subprocess
import sys

from measuring.timing import Measure


def import_time(repeats: int) -> list[Measure]:
    """`import als_engine` in a fresh process, as Python itself times it."""
    program = (
        "import sys, time; start = time.perf_counter(); import als_engine; "
        "taken = time.perf_counter() - start; "
        "heavy = {'torch', 'pybullet', 'numba', 'pettingzoo'} & set(sys.modules); "
        "assert not heavy, heavy; print(taken)"
    )
    command = [sys.executable, "-c", program]
    times = [float(subprocess.check_output(command)) for _ in range(max(3, repeats // 4))]
    return [Measure("import als_engine", statistics.median(times), 0.4, at_most=True, unit="s")]
