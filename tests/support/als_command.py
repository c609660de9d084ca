"""Runs the `als` command in this process, as a user would see it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import NamedTuple
from unittest import mock

from als_engine.cli import main


class Result(NamedTuple):
    """What a run has left."""

    code: object
    out: str
    err: str


def als(*words: object, columns: int = 120) -> Result:
    """Runs `als` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["als", *map(str, words)]),
        mock.patch.dict(os.environ, {"COLUMNS": str(columns)}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            return Result(end.code, out.getvalue(), err.getvalue())
    raise AssertionError("main() always exits")
