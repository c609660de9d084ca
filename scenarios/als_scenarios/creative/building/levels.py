"""The levels of `ALS/Build-v0`: what each is about, an answer to it, and its quantities."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.task import Split
from als_engine.world.arrays import NOTHING, FloatArray
from als_engine.world.layout import Layout
from als_scenarios.creative.building.blocks import COLUMNS, NUM_COLORS, Piece, drawn, listed
from als_scenarios.creative.building.crew import LEG_STEPS
from als_scenarios.creative.building.guidance import PLAN, SENTENCE
from als_scenarios.creative.building.novelty import ARCHIVED, describe, novelty, valid
from als_scenarios.creative.building.plans import (
    Plan,
    drawing,
    every_plan,
    gallery,
    inventions,
    placed,
    plans,
    references,
)
from als_scenarios.creative.building.sentences import lines, sentences, shortest
from als_scenarios.creative.building.yard import lay_out, stock

_PLAN_TOLD: Final = "build what the plan on the wall shows"
_OPEN_TOLD: Final = "build something that is not on the wall yet, and say finished"


class _Answer(NamedTuple):
    """One way to do what a level asks for, and what the level shows.

    Attributes:
        pieces: the blocks, from the bottom up.
        quantities: of the task.
        picture: on the wall, if any.
        board: the text of the sign.
        told: the instruction.
    """

    pieces: list[Piece]
    quantities: dict[str, ArrayLike]
    picture: NDArray[np.uint8] | None
    board: str
    told: str


def draw(rng: np.random.Generator, split: Split, mode: int, num_avatars: int) -> Layout:
    """Draws one level of a split.

    Args:
        rng: of the level.
        split: its split.
        mode: PLAN, SENTENCE or OPEN.
        num_avatars: in it.
    """
    seen = rng.integers(len(plans(split)), size=ARCHIVED)
    if mode == PLAN:
        answer = _plan(rng, split)
    elif mode == SENTENCE:
        answer = _sentence(rng, split)
    else:
        answer = _new(rng, split, seen)
    paint = stock(rng, answer.pieces)
    quantities = {
        **answer.quantities,
        "paint": paint,
        "pieces": listed(answer.pieces),
        "archive": _described(split)[seen],
        "errand": rng.integers(12 * LEG_STEPS, size=num_avatars),
    }
    return lay_out(rng, paint, num_avatars, answer.picture, answer.board, answer.told, quantities)


def _plan(rng: np.random.Generator, split: Split) -> _Answer:
    every = plans(split)
    number = int(rng.integers(len(every)))
    plan = every[number]
    left = int(rng.integers(COLUMNS - plan.width + 1))
    pieces = placed(plan, left, bool(rng.integers(2)))
    grid = drawn(pieces)
    known: dict[str, ArrayLike] = {"plan": grid, "about": _about([plan])}
    return _Answer(pieces, known, drawing(grid), "PLAN", _PLAN_TOLD)


def _sentence(rng: np.random.Generator, split: Split) -> _Answer:
    every = sentences(split)
    sentence = every[int(rng.integers(len(every)))]
    answer = shortest(sentence)
    assert answer is not None
    left = int(rng.integers(COLUMNS - answer[1] + 1))
    pieces = [piece._replace(column=left + piece.column) for piece in answer[0]]
    told = f"build {sentence.text}"
    return _Answer(pieces, {"sentence": sentence}, None, lines(sentence), told)


def _new(rng: np.random.Generator, split: Split, seen: NDArray[np.int64]) -> _Answer:
    """The answer is the invention that differs most from what hangs on the wall."""
    found, traits = _inventions()
    best = int(novelty(traits, _described(split)[seen]).argmax())
    first = int(rng.integers(NUM_COLORS))
    pieces = [p._replace(color=(p.color - 1 + first) % NUM_COLORS + 1) for p in found[best]]
    picture = gallery(references(split)[seen])
    known: dict[str, ArrayLike] = {"about": _about([plans(split)[i] for i in seen.tolist()])}
    return _Answer(pieces, known, picture, "SEEN BEFORE:\nBUILD SOMETHING\nNEW", _OPEN_TOLD)


def _about(shown: list[Plan]) -> list[int]:
    """The numbers of the plans on the wall; NOTHING where there are fewer than six."""
    return [plan.number for plan in shown] + [NOTHING] * (ARCHIVED - len(shown))


def concepts(layout: Layout) -> set[tuple[Any, ...]]:
    """What a level is about: its plan, its sentence, or the plans on the wall."""
    numbers = np.asarray(layout.quantities.get("about", ())).tolist()
    found: set[tuple[Any, ...]] = {every_plan()[i].concept for i in numbers if i != NOTHING}
    if "sentence" in layout.quantities:
        found.add(tuple(np.asarray(layout.quantities["sentence"]).tolist()))
    return found


@cache
def _described(split: Split) -> FloatArray:
    """The descriptors of a split's plans, (plans, 7)."""
    return describe(references(split))


@cache
def _inventions() -> tuple[list[tuple[Piece, ...]], FloatArray]:
    """The structures that count among the inventions, and their descriptors."""
    every = inventions()
    grids = np.stack([drawn(pieces) for pieces in every])
    chosen = np.flatnonzero(valid(grids)).tolist()
    return [every[i] for i in chosen], describe(grids[chosen])
