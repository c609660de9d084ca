"""Options of the form `key=value`, as several commands and the names of contestants take them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from als_engine.errors import ArgumentError

__all__ = ["agent_options", "parse_pairs", "scenario_arguments"]

_SEPARATOR = re.compile(r",(?=[A-Za-z_]\w*=)")


def parse_pairs(pairs: Sequence[str] | None, option: str = "--arg") -> dict[str, Any]:
    """Reads `key=value` words: numbers, `true`, `null` and JSON as such, all else as text.

    `sensors=rgb,audio` is a list, since a list of sensors is what it can only be.

    Raises:
        ArgumentError: a word has no `=` or no key, or a key comes twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ArgumentError(f'{option} takes key=value, got "{pair}"')
        if key in found:
            raise ArgumentError(f'{option} "{key}" is given twice')
        found[key] = _value(key, text)
    return found


def scenario_arguments(pairs: Sequence[str] | None, **options: str | None) -> dict[str, Any]:
    """Reads a scenario's arguments: the pairs of `--arg`, and those that have their own options.

    Raises:
        ArgumentError: as `parse_pairs`.
    """
    given = (f"{name}={text}" for name, text in options.items() if text)
    return parse_pairs([*(pairs or ()), *given])


def agent_options(word: str) -> tuple[str, dict[str, Any]]:
    """Reads an agent's id and its hyperparameters: `ID`, or `ID:NAME=VALUE,NAME=VALUE`.

    Raises:
        ArgumentError: the hyperparameters cannot be read.
    """
    name, colon, rest = word.partition(":")
    return name, parse_pairs(_SEPARATOR.split(rest), f"--agent {name}:") if colon else {}


def _value(key: str, text: str) -> Any:
    if key == "sensors" and not text.startswith("["):
        return [name for name in text.split(",") if name]
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> Any:
    raise ValueError(constant)  # NaN and Infinity are not JSON, whatever Python thinks.
