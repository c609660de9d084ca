"""Runs the `als` command in this process, as a user would see it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, NamedTuple
from unittest import mock

from als_engine.cli import app, main
from als_engine.plugins.discovery import BUNDLED
from als_engine.plugins.registry import registry


class Result(NamedTuple):
    """What a run has left."""

    code: object
    out: str
    err: str


_build = app.build_command
_built: dict[tuple[int, ...], tuple[list[Any], Any]] = {}


def build_once() -> Any:
    """The command line, built once for the same plugins: that takes a tenth of a second.

    Where a test's own plugin adds commands, or one has failed, it is built anew every time.
    """
    loaded_now = registry.loaded()
    hooks = [loaded.hooks for loaded in loaded_now]
    own = [
        loaded
        for loaded in loaded_now
        if loaded.plugin.distribution != BUNDLED and hasattr(loaded.hooks, "als_commands")
    ]
    if own or registry.failures():
        return _build()
    key = tuple(map(id, hooks))
    if key not in _built:
        _built[key] = hooks, _build()  # The hooks are held, so that no other gets their id.
    return _built[key][1]


def als(*words: object, columns: int = 120) -> Result:
    """Runs `als` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["als", *map(str, words)]),
        mock.patch.dict(os.environ, {"COLUMNS": str(columns)}),
        mock.patch.object(app, "build_command", build_once),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            return Result(end.code, out.getvalue(), err.getvalue())
    raise AssertionError("main() always exits")
