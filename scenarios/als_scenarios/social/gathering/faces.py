"""The faces of `ALS/Gathering-v0` as pictures, so that a camera can see what a guest shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from als_scenarios.social.gathering.feelings import ANGRY, CALM, HAPPY, MOODS, SAD, quadrant
from als_scenarios.social.gathering.people import BLANK

if TYPE_CHECKING:
    from als_engine.world.arrays import FloatArray
    from als_engine.world.state import WorldState

SIZE: Final = 16
"""Rows and columns of a face, pixels."""

NEUTRAL: Final = len(MOODS)
"""The face of somebody who shows nothing."""

_SKIN, _INK, _MOUTH, _WHITE = (236, 196, 160), (46, 34, 32), (150, 46, 50), (250, 250, 246)
_TINT: Final = {
    HAPPY: (252, 214, 96), ANGRY: (232, 112, 92), SAD: (122, 160, 222), CALM: (150, 206, 150),
    NEUTRAL: _SKIN,
}  # fmt: skip

# Rows, then columns, of the left half: the right one mirrors it.
_BROWS: Final = {
    HAPPY: ((2, 3), (2, 4), (3, 2), (3, 5)), ANGRY: ((3, 2), (4, 3), (4, 4), (5, 5), (5, 6)),
    SAD: ((3, 5), (3, 6), (4, 3), (4, 4), (5, 2)), CALM: ((4, 3), (4, 4)),
    NEUTRAL: ((4, 3), (4, 4)),
}  # fmt: skip
_SMILE: Final = ((10, 2), (11, 3), (12, 4), (13, 5), (13, 6), (13, 7))
_GRIN: Final = ((10, 3), (10, 4), (10, 5), (10, 6), (10, 7))
_FROWN: Final = ((13, 3), (12, 4), (11, 5), (11, 6), (11, 7))
_LINE: Final = ((12, 5), (12, 6), (12, 7))
_GENTLE: Final = ((11, 4), (12, 5), (12, 6), (12, 7))
_TEETH: Final = ((11, 4), (11, 5), (11, 6), (11, 7), (13, 4), (13, 5), (13, 6), (13, 7))


def _both(cells: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [*cells, *((row, SIZE - 1 - column) for row, column in cells)]


def _face(mood: int) -> NDArray[np.uint8]:
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    picture[:] = _TINT[mood]
    mouth = {HAPPY: (*_SMILE, *_GRIN), ANGRY: _TEETH, SAD: _FROWN, CALM: _GENTLE, NEUTRAL: _LINE}[
        mood
    ]
    eyes = ((7, 3), (7, 4), (7, 5)) if mood == CALM else ((6, 3), (6, 4), (7, 3), (7, 4))
    for cells, color in ((_BROWS[mood], _INK), (eyes, _INK), (mouth, _MOUTH)):
        for row, column in _both(cells):
            picture[row, column] = color
    inner = {
        HAPPY: ((11, 4), (11, 5), (11, 6), (11, 7)),
        ANGRY: ((12, 4), (12, 5), (12, 6), (12, 7)),
    }
    for row, column in _both(inner.get(mood, ())):
        picture[row, column] = _WHITE
    for row, column in _both([(8, 2), (9, 2)] if mood == SAD else []):
        picture[row, column] = (70, 120, 220)  # Tears.
    return picture


FACES: Final = np.stack([_face(mood) for mood in (*range(len(MOODS)), NEUTRAL)])
"""(5, 16, 16, 3): happy, angry, sad, calm, and one that shows nothing."""


def _night() -> NDArray[np.uint8]:
    """A window at night: a frame, a dark sky with a moon and stars, and hills."""
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    picture[:] = (34, 46, 92)
    picture[11:] = (26, 44, 52)
    picture[10, 3:8] = picture[10, 11:14] = (26, 44, 52)
    picture[3:6, 10:13] = (246, 236, 190)
    for row, column in ((3, 3), (6, 5), (5, 8), (8, 12), (2, 6), (8, 2)):
        picture[row, column] = (220, 224, 240)
    picture[[0, -1]] = picture[:, [0, -1]] = picture[:, 7:9] = (244, 240, 230)
    return picture


NIGHT: Final = _night()
"""A window to the night, (16, 16, 3)."""


def looks(face: FloatArray, cue: NDArray[np.int8]) -> NDArray[np.int8]:
    """Which of `FACES` shows a valence and an arousal, (..., 2) to (...)."""
    return np.where(cue == BLANK, NEUTRAL, quadrant(face)).astype(np.int8)


def show_faces(state: WorldState) -> None:
    """Draws the faces that have changed."""
    now, drawn = state["looks"], state["drawn_face"]
    changed = now != drawn
    if changed.any():
        drawn[:] = now
        for guest in np.flatnonzero(changed.any(0)).tolist():
            worlds = np.flatnonzero(changed[:, guest])
            state.display(f"face {guest}", worlds, FACES[now[worlds, guest]])
