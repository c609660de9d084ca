"""Lets every test, and the worker processes that it starts, import the modules in `support`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))
