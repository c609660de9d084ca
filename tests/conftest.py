"""Lets every test, and the worker processes that it starts, import the modules in `support`.

And those of the benchmarks, whose hand-written physics the engine's is held against.
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS / "support"), str(TESTS.parent / "benchmarks")]
