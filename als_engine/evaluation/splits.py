"""Names the split that choices are made on, `CHOOSING`, and the one for reports, `REPORTING`.

Whatever is picked, tuned, stopped, kept or taken back by its results fits the episodes that these
results came from. A figure is a measurement when nothing has been chosen by it. Nothing in the
library chooses by the test split: whoever decides passes the split through `for_choosing` first.
"""

from __future__ import annotations

from typing import Final

from als_engine.checks import one_of
from als_engine.errors import ArgumentError
from als_engine.plugins.specs import SPLITS

__all__ = ["CHOOSING", "REPORTING", "for_choosing"]

CHOOSING: Final = "validation"
REPORTING: Final = "test"


def for_choosing(split: str) -> str:
    """Returns a split by which something may be chosen.

    Raises:
        ArgumentError: it is the test split, or there is no such split.
    """
    one_of("split", split, SPLITS)
    if split == REPORTING:
        raise ArgumentError(
            f'split: "{REPORTING}" is for reporting alone; choose by "{CHOOSING}" and evaluate on '
            f'"{REPORTING}" afterwards'
        )
    return split
