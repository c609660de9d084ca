"""All points of `als check`, as the checks themselves say what they promise."""

from __future__ import annotations

import inspect
from typing import Any

from als_engine.conformance.kinds.checking import POINTS

MARK = "<!-- points -->"
_SUCH = "Such as: "


def insert_points(text: str) -> str:
    """Puts the lists where the page has its mark."""
    return text.replace(MARK, reference())


def reference() -> str:
    """A table for each kind: every point, its promise, and what a failure looks like."""
    parts = []
    for kind, checks in POINTS.items():
        rows = [
            f"| `{name}` | {promise(each)} | `{such_as(each)}` |" for name, each in checks.items()
        ]
        title = f"## The points of {'an' if kind[0] in 'ae' else 'a'} {kind}"
        parts += [title, "", "| point | promise | a failure |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(parts)


def _row(name: str, check: Any) -> str:
    return f"| `{name}` | {promise(check)} | `{such_as(check)}` |"


def promise(check: Any) -> str:
    """The first line of a check's docstring."""
    return inspect.cleandoc(check.__doc__ or "").partition("\n")[0].replace("|", "\\|")


def such_as(check: Any) -> str:
    """What a failure of a check looks like, by its docstring; empty where it does not say."""
    paragraphs = inspect.cleandoc(check.__doc__ or "").split("\n\n")
    found = [" ".join(p.split()) for p in paragraphs if p.startswith(_SUCH)]
    return found[0].removeprefix(_SUCH).replace("|", "\\|").replace("`", "'") if found else ""
