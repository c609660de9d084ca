"""Everything that `als` writes to a terminal; no other module prints.

Texts come from plugins, files and paths. They are shown as they stand: there is no markup, control
characters are escaped, and what the terminal's encoding lacks is replaced by what it has.
"""

from __future__ import annotations

import codecs
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from als_engine.system import json_output
from als_engine.texts import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import ProgressColumn

__all__ = [
    "BAR",
    "ELAPSED",
    "LEFT",
    "OF",
    "Column",
    "Table",
    "fitting",
    "live",
    "prepare",
    "say",
    "say_json",
    "say_line",
    "screen_width",
    "show",
    "show_markdown",
    "spinner",
]

BAR: Final = "<bar>"
OF: Final = "<of>"
ELAPSED: Final = "<elapsed>"
LEFT: Final = "<left>"
"""Columns of a live line: the bar, "3/10", the time so far, and the time left."""

UNBOUNDED: Final = 100_000
"""Columns of a screen that does not exist: whoever reads from a pipe gets every line whole."""

_FALLBACK: Final = "als"
_PLAIN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2500\u2501\u254c\u2574\u2578", "-"
    ),
    **dict.fromkeys("\u2502\u2503\u2506\u2575\u2577", "|"),
    **dict.fromkeys("\u2018\u2019\u201a\u2032", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u2033", '"'),
    **dict.fromkeys("\u00b7\u2022\u25cf\u25cb\u2219", "*"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f", " "),
    **dict.fromkeys("\u2588\u2587\u2593\u2592\u2591", "#"),
    **dict.fromkeys("\u00b5\u03bc", "u"),
    "\u00d7": "x",
    "\u00b1": "+-",
    "\u00b0": " deg",
    "\u2026": "...",
    "\u2190": "<-",
    "\u2192": "->",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2713": "ok",
    "\u2714": "ok",
    "\u2717": "no",
    "\u2718": "no",
}
"""What stands for a sign that an encoding lacks."""

Part = str | tuple[str, str]


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its name.
        right: whether it is set to the right, as numbers are.
        whole: whether it is never broken: an id is there to be copied.
    """

    title: str
    right: bool = False
    whole: bool = False


@dataclass
class Table:
    """Rows of texts below titles; cells are shown as they stand.

    Attributes:
        columns: from left to right; a text is a column to the left that may be folded.
        title: a line above.
        padded: whether there is space at both edges.
    """

    columns: Sequence[Column | str]
    title: str = ""
    padded: bool = True
    _rows: list[tuple[tuple[object, ...], str, bool]] = field(default_factory=list)

    def row(self, *cells: object, style: str = "", ends_section: bool = False) -> None:
        """Adds a row; after the last of a section there is a line."""
        self._rows.append((cells, style, ends_section))

    def _drawn(self) -> Any:
        from rich import box
        from rich.table import Table as Drawing
        from rich.text import Text

        title = Text(visible(self.title), style="bold") if self.title else None
        drawing = Drawing(box=box.SIMPLE, title=title, title_justify="left", pad_edge=self.padded)
        for each in self.columns:
            column = Column(each) if isinstance(each, str) else each
            drawing.add_column(
                Text(visible(column.title)),
                justify="right" if column.right else "left",
                no_wrap=column.whole,
                overflow="fold",
            )
        for cells, style, ends in self._rows:
            texts = (Text(visible(cell)) for cell in cells)
            drawing.add_row(*texts, style=style or None, end_section=ends)
        return drawing


def prepare() -> None:
    """Lets the standard streams take any text, whatever their encoding."""
    codecs.register_error(_FALLBACK, _fall_back)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_FALLBACK)


def say(*parts: Part, style: str = "", error: bool = False) -> None:
    """Writes a text and a newline, at once; lines are not broken.

    Args:
        parts: put together as they stand; a pair is a text and its own style.
        style: of the whole, where somebody watches.
        error: to the error output.
    """
    stream = sys.stderr if error else sys.stdout
    pairs = [part if isinstance(part, tuple) else (part, "") for part in parts]
    if (style or any(own for _, own in pairs)) and _watched(stream):
        from rich.text import Text

        text = Text.assemble(*((visible(words), own) for words, own in pairs), style=style)
        _console(error).print(text, soft_wrap=True)
    else:
        print("".join(visible(words) for words, _ in pairs), file=stream, flush=True)


def say_line(text: object) -> None:
    """Writes one line to the error output, whatever the text holds."""
    say(one_line(text), error=True)


def say_json(value: Any) -> None:
    """Writes JSON in ASCII: numbers that JSON does not have are null."""
    json_output.write(json.dumps(_json(value), indent=2, allow_nan=False))


def fitting(text: object) -> str:
    """A text as `say` would write it, for whoever prints by other ways."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return visible(text).encode(encoding, _FALLBACK).decode(encoding)


def show(table: Table, width: int | None = None) -> None:
    """Writes a table.

    Args:
        table: what is written.
        width: in columns; by default the terminal's, or 80.
    """
    _console(width=width).print(table._drawn())


def show_markdown(text: str) -> None:
    """Writes Markdown; addresses stand beside their links."""
    from rich.markdown import Markdown

    _console().print(Markdown(visible(text), hyperlinks=False))


def screen_width() -> int:
    """Columns of the terminal; where nobody watches there is no bound."""
    return _console().width if _watched(sys.stdout) else UNBOUNDED


@contextmanager
def live(
    *columns: str,
    total: float | None = None,
    transient: bool = False,
    period: float = 30,
    **fields: str,
) -> Iterator[Callable[..., None]]:
    """A live line on the error output; where nobody watches, nothing is written.

    Args:
        columns: `BAR`, `OF`, `ELAPSED`, `LEFT`, or a text such as `"return {task.fields[reward]}"`.
        total: how much there is to do, where that is known.
        transient: whether the line goes when it is done.
        period: the speed is that of so many seconds.
        fields: what is shown before the first update.

    Yields:
        What to call with `completed`, `total` and fields.
    """
    from rich.progress import Progress

    with Progress(
        *(_live_column(column) for column in columns),
        console=_console(error=True),
        disable=not _watched(sys.stderr),
        transient=transient,
        speed_estimate_period=period,
    ) as bar:
        shown: dict[str, Any] = {**fields}
        line = bar.add_task("", total=total, **shown)
        yield lambda **values: bar.update(line, **values)


@contextmanager
def spinner(text: str) -> Iterator[Callable[[str], None]]:
    """Something turns beside a text; where nobody watches, nothing is written.

    Yields:
        What to call with another text.
    """
    from rich.text import Text

    if not _watched(sys.stderr):
        yield lambda other: None
        return
    console = _console(error=True)
    turning = "dots" if console.encoding.startswith("utf") else "line"
    with console.status(Text(visible(text)), spinner=turning) as status:
        yield lambda other: status.update(Text(visible(other)))


def _console(error: bool = False, width: int | None = None) -> Console:
    from rich.console import Console

    return Console(stderr=error, width=width, markup=False, emoji=False, highlight=False)


def _live_column(column: str) -> ProgressColumn:
    from rich import progress
    from rich.text import Text

    class Words(progress.ProgressColumn):
        """A text with the task's fields in it, as they stand."""

        def render(self, task: progress.Task) -> Text:
            return Text(visible(column.format(task=task)))

    known: Mapping[str, Callable[[], ProgressColumn]] = {
        BAR: lambda: progress.BarColumn(bar_width=24),
        OF: progress.MofNCompleteColumn,
        ELAPSED: progress.TimeElapsedColumn,
        LEFT: progress.TimeRemainingColumn,
    }
    return known.get(column, Words)()


def _watched(stream: TextIO) -> bool:
    return bool(stream is not None and stream.isatty())


def _fall_back(error: UnicodeError) -> tuple[str, int]:
    """An error handler of Python's codecs: plain signs for what an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = (_PLAIN.get(sign) or _named(sign) for sign in lacking)
    return "".join(plain), error.end


def _named(sign: str) -> str:
    if "\u2800" <= sign <= "\u28ff":  # Patterns of dots, which spinners are made of.
        return "*"
    return sign.encode("ascii", "backslashreplace").decode("ascii")


def _json(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "item"):  # A number of NumPy's.
        return _json(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
