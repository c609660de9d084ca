"""The ink of a sign's text, summed up so that a camera averages any rectangle of it at once."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from typing import Any

from als_engine.font.glyphs import HEIGHT, WIDTH
from als_engine.system import compiling
from als_engine.world.layout import SIGN_COLUMNS, SIGN_ROWS

inner: Any = compiling.inner(_nrt=False, error_model="numpy")


@inner
def copy_text(new, old):
    """Copies a text; returns whether it has changed."""
    changed = False
    for row in range(SIGN_ROWS):
        for column in range(SIGN_COLUMNS):
            changed |= new[row, column] != old[row, column]
            old[row, column] = new[row, column]
    return changed


@inner
def sum_ink(glyphs, rows, columns, font, sums):
    """Sums up the ink of a text above and to the left of each texel's corner."""
    for y in range(sums.shape[0]):
        for x in range(sums.shape[1]):
            sums[y, x] = 0
    for row in range(rows):
        length = 0
        for column in range(columns):
            if glyphs[row, column] != 0:
                length = column + 1
        # Every line stands in the middle.
        left = (columns - length) * WIDTH // 2
        for column in range(length):
            glyph = font[glyphs[row, column]]
            for y in range(HEIGHT):
                for x in range(WIDTH):
                    sums[row * HEIGHT + y + 1, left + column * WIDTH + x + 1] = glyph[y, x]
    for y in range(1, sums.shape[0]):
        line = 0
        for x in range(1, sums.shape[1]):
            line += sums[y, x]
            sums[y, x] = sums[y - 1, x] + line
