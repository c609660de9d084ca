"""Follows a page: runs its commands, and puts what it shows of a file into that file."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of a page: its language, the file that it is a part of, and its text."""

    language: str
    path: str
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [Block(*found) for found in BLOCK.findall(page)]


def put_in(block: Block, root: Path) -> None:
    """Puts a part of a file where a reader would put it.

    An import comes after the others. All else belongs to the file's only class, where it replaces
    what has the same name, or comes last; a text alone is the class's docstring.
    """
    path = root / block.path
    lines = path.read_text(encoding="utf-8").splitlines()
    shown = block.text.splitlines()
    for part in ast.parse(block.text).body:
        text = shown[part.lineno - 1 : part.end_lineno]
        if isinstance(part, ast.ImportFrom):
            _import(lines, text)
            continue
        text = [f"    {line}" if line else line for line in text]
        first, last = _place(lines, part)
        lines[first:last] = text if last > first else ["", *text]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _import(lines: list[str], text: list[str]) -> None:
    """Puts an import after those of the standard library, or after NumPy's."""
    standard = text[0].startswith("from typing")
    before = "from collections.abc" if standard else "import numpy"
    place = next(i for i, line in enumerate(lines) if line.startswith(before)) + 1
    lines[place:place] = text


def _place(lines: list[str], part: ast.stmt) -> tuple[int, int]:
    """The lines, from and to, of what has the same name in the class; its end where nothing has."""
    (found,) = [n for n in ast.parse("\n".join(lines)).body if isinstance(n, ast.ClassDef)]
    for each in found.body:
        if _name(each) == _name(part):
            return each.lineno - 1, each.end_lineno or 0
    end = found.end_lineno or 0
    return end, end


def _name(part: ast.stmt) -> str:
    if isinstance(part, ast.FunctionDef):
        return part.name
    if isinstance(part, ast.Assign):
        return ast.unparse(part.targets[0])
    return "docstring"
