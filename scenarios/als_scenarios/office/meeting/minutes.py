"""Minutes: lines of an owner and a date for each item, and the marks that they get.

Lines are marked as the Message Understanding Conferences marked templates (Chinchor and Sundheim
1993, "MUC-5 evaluation metrics", https://aclanthology.org/M93-1007): a line is correct,
partially correct, which counts half, or wrong; recall is over what there is to find, precision over
what was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from als_engine.world.arrays import NOTHING, FloatArray, IntArray
from als_engine.world.layout import SIGN_COLUMNS
from als_scenarios.office.meeting.words import DAYS, ITEMS, LETTERS, NAMES

PARTLY: Final = 0.5
"""The credit for a line of which either the owner or the date is right."""

PER_BOARD: Final = ITEMS // 2


class Marks(NamedTuple):
    """The marks of minutes, (worlds,) each, from 0 to 1; 0 where there is nothing to divide by."""

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray


def marked(lines: IntArray, truth: IntArray) -> Marks:
    """Compares minutes with what was agreed upon.

    Args:
        lines: (worlds, 6, 2) owner and date of each item's line, NOTHING where there is none.
        truth: (worlds, 6, 2) likewise.
    """
    written, due = lines[..., 0] != NOTHING, truth[..., 0] != NOTHING
    right = ((lines == truth).sum(-1)) * (written & due)
    credit = (right == 2).sum(-1) + PARTLY * (right == 1).sum(-1)
    actual, possible = written.sum(-1), due.sum(-1)
    return Marks(
        credit / np.maximum(actual, 1),
        credit / np.maximum(possible, 1),
        2 * credit / np.maximum(actual + possible, 1),
    )


def board(lines: IntArray, half: int) -> str:
    """The text of one of the two boards for one world's minutes, (6, 2)."""
    filled = [
        f"{NAMES[owner]} {DAYS[date]}" if owner != NOTHING else "-"
        for owner, date in lines.tolist()
    ]
    return listed("MINUTES", filled, half)


def listed(heading: str, texts: Sequence[str], half: int) -> str:
    """The text of one of two boards: half of the items, each with its letter, one below the other.

    Args:
        heading: of the left board.
        texts: one for each item, at most 14 characters.
        half: 0 for the left board, 1 for the right one.
    """
    rows = [f"{letter} {text}" for letter, text in zip(LETTERS, texts, strict=True)]
    rows = rows[half * PER_BOARD : (half + 1) * PER_BOARD]
    return "\n".join(row.ljust(SIGN_COLUMNS) for row in (heading * (half == 0), *rows))
