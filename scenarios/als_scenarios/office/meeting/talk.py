"""The grammar of a meeting: a script of speech acts, and what follows from those that one knows.

Action items are talked about as Purver, Ehlen and Niekrasz (2006) annotate them, "Detecting action
items in multi-party meetings: annotation and initial experiments" (MLMI 2006,
https://doi.org/10.1007/11965152_18): a task is described, an owner and a timeframe are named, and
somebody agrees. Heldner and Edlund (2010), "Pauses, gaps and overlaps in conversations", Journal
of Phonetics 38(4), https://doi.org/10.1016/j.wocn.2010.08.002, count about 40 % overlaps where
speakers change; where there is a gap, 0.2 s are most common (Levinson and Torreira 2015, "Timing in
turn-taking and its implications for processing models of language", Frontiers in Psychology 6:731,
https://doi.org/10.3389/fpsyg.2015.00731). Times are steps of 1/15 s.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from als_engine.task import Split
from als_engine.world.arrays import NOTHING, BoolArray, IntArray
from als_scenarios.office.meeting.words import (
    AGREE,
    AMEND,
    CHAT,
    DAYS,
    FITTING,
    ITEMS,
    NEW_DATE,
    OBJECT,
    PROPOSE,
    TOPICS,
    VOLUNTEER,
    WITHDRAW,
)

MOST_ACTS: Final = 16
_MOST_DECISIVE: Final = 14

START, END, SPEAKER, ACT, OWNER, ITEM, DATE, FORM = range(8)
"""The columns of a script; what an act does not name is NOTHING. Acts come in the order in which
they begin, and rows of no act begin and end at `NEVER`."""

COLUMNS: Final = 8
NEVER: Final = 30_000

FIRST: Final = 30
"""The step at which the first speaker begins."""

LATEST: Final = 470
"""The last speaker has finished by this step."""

_LENGTH: Final = (22, 36)
_GAP: Final = (1, 7)
_OVERLAP: Final = (5, 10)
_OVERLAPS: Final = 0.4
"""The chance that a speaker begins before the one before has ended."""

_SELF: Final = 0.35

# What is said about an item, up to where others may be talked about first, and then.
_DECIDED: Final = {
    "plain": ((PROPOSE, AGREE), ()),
    "amended": ((PROPOSE, AMEND, AGREE), ()),
    "objected": ((PROPOSE, OBJECT, AMEND, AGREE), ()),
    "reopened": ((PROPOSE, AGREE), (AMEND, AGREE)),
}
_DROPPED: Final = {
    "contested": ((PROPOSE, OBJECT), ()),
    "withdrawn": ((PROPOSE, WITHDRAW), ()),
    "unsettled": ((PROPOSE, AGREE), (OBJECT,)),
    "struck": ((PROPOSE, AGREE), (WITHDRAW,)),
}
THREADS: Final = (*_DECIDED.values(), *_DROPPED.values())
"""All that can be said about an item, in its order."""
_SHORTER: Final = {
    "reopened": "amended",
    "objected": "amended",
    "amended": "plain",
    "unsettled": "contested",
    "struck": "withdrawn",
}


class Script(NamedTuple):
    """What is said in a meeting.

    Attributes:
        rows: (16, 8) int32, by the columns above.
        topic: index into `TOPICS`.
        agenda: (6,) which of the topic's tasks each item is.
        over_at: the step at which the last speaker has finished.
    """

    rows: IntArray
    topic: int
    agenda: IntArray
    over_at: int


def draw(rng: np.random.Generator, split: Split, speakers: int) -> Script:
    """Draws a meeting: its topic, two to four items that are decided and one or two that are not.

    Args:
        rng: of the level.
        split: whose topics and phrasings there are.
        speakers: how many.
    """
    topics = [i for i, topic in enumerate(TOPICS) if topic.split == split]
    topic = topics[int(rng.integers(len(topics)))]
    rows = np.full((MOST_ACTS, COLUMNS), NOTHING, np.int32)
    rows[:, [START, END]], rows[:, ACT] = NEVER, CHAT
    order = _in_order(rng, _threads(rng))
    _say(rng, rows, order, speakers)
    _phrase(rng, rows[: len(order)], split)
    over_at = _time(rng, rows[: len(order)])
    return Script(rows, topic, rng.permutation(ITEMS).astype(np.int32), over_at)


def _threads(rng: np.random.Generator) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """How each item comes to its end: shortened where there would be too much to say."""
    every = {**_DECIDED, **_DROPPED}
    kinds = rng.choice([*_DECIDED], int(rng.integers(2, 5)), p=(0.2, 0.3, 0.2, 0.3)).tolist()
    kinds += rng.choice([*_DROPPED], int(rng.integers(1, 3)), p=(0.2, 0.25, 0.25, 0.3)).tolist()

    def length(kind: str) -> int:
        return sum(map(len, every[kind]))

    while sum(map(length, kinds)) > _MOST_DECISIVE:
        longest = max(range(len(kinds)), key=lambda i: length(kinds[i]))
        kinds[longest] = _SHORTER[kinds[longest]]
    return [every[kinds[i]] for i in rng.permutation(len(kinds)).tolist()]


def _in_order(
    rng: np.random.Generator, threads: list[tuple[tuple[int, ...], tuple[int, ...]]]
) -> list[tuple[int, int]]:
    """All acts in the order in which they are said: pairs of an item and an act."""
    items = rng.permutation(ITEMS).tolist()
    parts: list[tuple[int, tuple[int, ...]]] = []
    for item, (head, _) in zip(items, threads, strict=False):
        parts.append((item, head))
    for item, (head, tail) in zip(items, threads, strict=False):
        if tail:  # After another item where there is one, and after its own head.
            behind = parts.index((item, head)) + 1
            at = int(rng.integers(min(behind + 1, len(parts)), len(parts) + 1))
            parts.insert(at, (item, tail))
    for _ in range(int(rng.integers(1, 3))):
        parts.insert(int(rng.integers(len(parts) + 1)), (NOTHING, (CHAT,)))
    return [(item, act) for item, acts in parts for act in acts]


def _say(
    rng: np.random.Generator, rows: IntArray, order: list[tuple[int, int]], speakers: int
) -> None:
    """Fills in who says what: nobody speaks twice in a row, and an amendment changes something."""
    owners, dates = [NOTHING] * ITEMS, [NOTHING] * ITEMS
    before = NOTHING
    for row, (item, act) in zip(rows, order, strict=False):
        speaker = _other(rng, speakers, before)
        row[SPEAKER], row[ACT], row[ITEM] = speaker, act, item
        before = speaker
        if act == PROPOSE:
            owners[item] = speaker if rng.random() < _SELF else int(rng.integers(speakers))
            dates[item] = int(rng.integers(len(DAYS)))
            row[OWNER], row[DATE] = owners[item], dates[item]
        elif act == AMEND and rng.random() < 0.5:
            row[OWNER] = owners[item] = _other(rng, speakers, owners[item])
        elif act == AMEND:
            row[DATE] = dates[item] = _other(rng, len(DAYS), dates[item])


def _other(rng: np.random.Generator, count: int, than: int) -> int:
    """A number below `count`, any but that one."""
    if than == NOTHING:
        return int(rng.integers(count))
    return int((than + 1 + rng.integers(count - 1)) % count)


def _phrase(rng: np.random.Generator, rows: IntArray, split: Split) -> None:
    for row in rows:
        kind = int(row[ACT])
        if kind == PROPOSE and row[OWNER] == row[SPEAKER]:
            kind = VOLUNTEER
        elif kind == AMEND and row[DATE] != NOTHING:
            kind = NEW_DATE
        forms = FITTING[kind, split]
        row[FORM] = forms[int(rng.integers(len(forms)))]


def _time(rng: np.random.Generator, rows: IntArray) -> int:
    """Lays the acts out in time, and returns when the last has ended."""
    count = len(rows)
    lengths = rng.integers(_LENGTH[0], _LENGTH[1] + 1, count).tolist()
    gaps = rng.integers(_GAP[0], _GAP[1] + 1, count).tolist()
    overlaps = rng.integers(_OVERLAP[0], _OVERLAP[1] + 1, count).tolist()
    interrupts = (rng.random(count) < _OVERLAPS).tolist()
    begin, end, before = FIRST, FIRST, FIRST
    for i, row in enumerate(rows):
        if i:
            # At most two speak at once, so that nobody interrupts a sentence of their own.
            early = max(before + 1, end - overlaps[i])
            begin = early if interrupts[i] else end + gaps[i]
        before = end if i else FIRST
        row[START], row[END] = begin, begin + lengths[i]
        end = int(row[END])
    if end > LATEST:
        spans = rows[:, START : END + 1] - FIRST
        rows[:, START : END + 1] = FIRST + spans * (LATEST - FIRST) // (end - FIRST)
    return int(rows[-1, END])


# -- what follows ---------------------------------------------------------------------------------

NO_ACT: Final = NOTHING
NOTED_OWNER, NOTED_DATE, NOTED_ACT = range(3)
"""The columns of what is known about an item."""


def decisive(script: IntArray) -> BoolArray:
    """Which rows of scripts (..., 16, 8) are acts that settle or unsettle something."""
    return np.asarray(script[..., ACT] != CHAT)


def settled(script: IntArray, known: BoolArray) -> IntArray:
    """What follows from some acts, for each item.

    The last act about an item says how it stands: agreed upon only if that was an agreement. Its
    owner and date are those that were named last.

    Args:
        script: (worlds, 16, 8).
        known: (worlds, 16) which acts count.

    Returns:
        (worlds, 6, 3): the owner, the date and the last act about each item, or NOTHING.
    """
    about = (script[..., ITEM, None] == np.arange(ITEMS)) & known[..., None]
    about &= decisive(script)[..., None]
    out = np.empty((len(script), ITEMS, 3), np.int32)
    for column, of in ((NOTED_OWNER, OWNER), (NOTED_DATE, DATE), (NOTED_ACT, ACT)):
        values = script[..., of]
        named = about & (values != NOTHING)[..., None]
        last = MOST_ACTS - 1 - named[:, ::-1].argmax(1)
        found = np.take_along_axis(values, last, axis=1)
        out[..., column] = np.where(named.any(1), found, NOTHING)
    return out


def agreed(noted: IntArray) -> IntArray:
    """The owner and the date of what is agreed upon, (worlds, 6, 2), NOTHING for the others."""
    stands = noted[..., NOTED_ACT] == AGREE
    return np.where(stands[..., None], noted[..., : NOTED_DATE + 1], NOTHING)
