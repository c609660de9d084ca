"""Every option of every command, fed with bad values of its type: one line, and nothing is done.

The commands are found by walking the app, so that a new option is tried without being named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from als_command import als

from als_engine.cli import app


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(words), command
        return
    for name, each in inner.items():
        yield from commands(each, (*words, name))


COMMAND = app.build_command()
FOUND = dict(commands(COMMAND))


def kind(parameter: Any) -> Any:
    return parameter.type_descriptor.annotation


def bad_values(parameter: Any) -> list[str]:
    if kind(parameter) is int:
        return ["", "x", "1.5", str(parameter.min - 1), str(parameter.max + 1)]
    if kind(parameter) is float:
        return ["", "x", "-1", "inf", "1e999"]
    return [""]


@pytest.mark.parametrize("name", FOUND)
def test_a_bad_value_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Built once: that takes far longer than to read a command line, and there are hundreds here.
    monkeypatch.setattr(app, "build_command", lambda: COMMAND)
    arguments = [p for p in FOUND[name].params if p.param_type_name == "argument"]
    for parameter in FOUND[name].params:
        if kind(parameter) is bool:
            continue
        for value in bad_values(parameter):
            if parameter in arguments:
                words = [value if each is parameter else "word" for each in arguments]
            else:
                words = ["word"] * len(arguments) + [f"{parameter.opts[0]}={value}"]
            result = als(*name.split(), *words)
            shown = f"{parameter.opts[0]} {value!r}: {result}"
            assert (result.code, result.out) == (2, ""), shown
            assert result.err.startswith("Error: "), shown
            assert result.err.count("\n") == 1, shown
    assert not list(tmp_path.iterdir())
