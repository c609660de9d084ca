"""The `als` command line: one module for each command, put together in `app`."""

from __future__ import annotations

from als_engine.cli.app import main

__all__ = ["main"]
