"""What all figures of matplotlib's have in common: their style, and how they become files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.errors import ArgumentError
from als_engine.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SUFFIXES", "check_figure", "figure_file"]

SUFFIXES: Final = (".svg", ".png")
_STYLE: Final[Any] = {  # Matplotlib types every key of its own.
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": "#1d2530",
    "axes.edgecolor": "#e4e1d8",
    "axes.labelcolor": "#5d6673",
    "xtick.color": "#5d6673",
    "ytick.color": "#5d6673",
    "text.parse_math": False,  # A name is a name, whatever is in it.
    "svg.hashsalt": "als-engine",  # The same file for the same figure.
}


def check_figure(path: Path) -> None:
    """Checks that a figure can be written there, before anything is read.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise ArgumentError(f'a figure ends in {" or ".join(SUFFIXES)}, got "{path.name}"')
    if find_spec("matplotlib") is None:
        raise ArgumentError(
            'figures need matplotlib; install it with: pip install "als-engine[plots]"'
        )


@contextmanager
def figure_file(path: Path, dpi: int = 160) -> Iterator[Callable[[Figure], None]]:
    """Lets a block draw a figure in our style and write it, an SVG or a PNG by its ending.

    Yields:
        What to call with the figure when it is drawn. The same figure makes the same file.

    Raises:
        ArgumentError: the file has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    check_figure(path)
    import matplotlib

    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context(_STYLE), replacing(path) as temporary:
        yield lambda figure: figure.savefig(
            temporary, format=path.suffix[1:], dpi=dpi, facecolor="white", metadata=metadata
        )
