"""Tables in Markdown, and arguments as the command line takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["given", "table", "unbroken"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def unbroken(text: str) -> str:
    """A text that stays on one line."""
    return text.replace(" ", "\u00a0")


def given(arguments: Mapping[str, Any]) -> str:
    """A scenario's arguments, each as `--arg` takes it: `sensors=rgb,text`."""
    return " ".join(f"`{name}={_value(value)}`" for name, value in arguments.items())


def _value(value: Any) -> str:
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)
