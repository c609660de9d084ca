"""Texts from outside, made safe for where they go: a terminal, a page, a shell, a spreadsheet.

Names, paths, summaries and files come from other people. Each way out of the program has one
function here, and everything that is shown, written or suggested goes through it.
"""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path
from typing import Any, Final

__all__ = ["cell", "command", "escape", "one_line", "visible"]

# Control characters other than tab and newline, what turns the direction of writing, what has no
# width, separators of lines, tags, and halves of characters. Joiners stay: scripts need them.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")


def visible(text: object) -> str:
    """A text in which nothing acts on a terminal: control characters stand as escapes.

    Tabs and newlines stay.
    """
    return _HIDDEN.sub(_escaped, str(text))


def one_line(text: object) -> str:
    """The same on one line, with single spaces."""
    return visible(" ".join(str(text).split()))


def escape(text: object) -> str:
    """A text for a place in HTML or SVG, quotes included."""
    return html.escape(visible(text))


def command(*words: object) -> str:
    """A command to copy: every word is quoted where a shell would take it apart.

    A `Path` that is a bare name becomes `./name`, so that it is neither an option nor an id.
    """
    return " ".join(map(_word, words))


def cell(value: Any) -> Any:
    """A value for a CSV file: a text that a spreadsheet would run as a formula gets a quote mark.

    Numbers, and texts that are numbers, stay what they are.
    """
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _word(word: object) -> str:
    text = str(word)
    if isinstance(word, Path) and not word.is_absolute() and len(word.parts) == 1 and text != ".":
        text = f"./{text}"
    shown = visible(text).replace("\t", "\\x09").replace("\n", "\\x0a")
    if shown == text:
        return shlex.quote(text)
    # A shell reads the escapes in $'...' back.
    plain = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{visible(plain)}'".replace("\t", "\\x09").replace("\n", "\\x0a")
