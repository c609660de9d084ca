"""Limits of what a file, or a caller, may ask for."""

from typing import Final

STEPS: Final = 1_000_000_000_000
