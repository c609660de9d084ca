"""All sentences of a meeting as words, and which of them are true after what was said before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split
from als_engine.world.arrays import NOTHING, BoolArray, IntArray
from als_scenarios.office.meeting import talk
from als_scenarios.office.meeting.words import (
    ACTS,
    AMEND,
    CHAT,
    DAYS,
    FORMS,
    ITEMS,
    LETTERS,
    NAMES,
    NEW_DATE,
    PROPOSE,
    TOPICS,
    VOLUNTEER,
    sentence,
)

_SPEAKER, _FORM, _OWNER, _ITEM, _DATE = range(5)
_WORDS: Final = re.compile(r"[A-Za-z]+|<[A-F]>|[.,:?]")
_ACT_OF: Final = {VOLUNTEER: PROPOSE, NEW_DATE: AMEND}

_FOLLOWS: Final = np.zeros((len(ACTS) + 1, len(ACTS)), np.bool_)
"""What can be said next about an item, by what was said last; NOTHING is the last row."""
for _head, _tail in talk.THREADS:
    for _before, _after in pairwise((NOTHING, *_head, *_tail)):
        _FOLLOWS[_before, _after] = True


class Language:
    """What can be said in a meeting, with the phrasings of one split.

    A task is named by its item, `<A>` to `<F>`: what is said fits every agenda. `write` puts the
    tasks of a topic in.

    Attributes:
        sentences: the words of each sentence; its speaker's name comes first.
        most_speakers, fewest_speakers: of a meeting.
        longest: how many sentences are said in a meeting at most.
    """

    most_speakers: Final = len(NAMES)
    fewest_speakers: Final = 3
    longest: Final = talk.MOST_ACTS

    def __init__(self, split: Split = "train") -> None:
        """Lists the sentences of a split."""
        self._split = split
        rows = [
            row for form in range(len(FORMS)) if FORMS[form].split == split for row in _of(form)
        ]
        self._rows: IntArray = np.array(rows, np.int32)
        self._number = {row: number for number, row in enumerate(rows)}
        self.sentences: tuple[tuple[str, ...], ...] = tuple(_words(row) for row in rows)
        acts = [FORMS[form].act for form in self._rows[:, _FORM].tolist()]
        self._kind: IntArray = np.array(acts, np.int32)
        self._act: IntArray = np.array([_ACT_OF.get(act, act) for act in acts], np.int32)

    def transcript(self, rng: np.random.Generator, speakers: int) -> list[int]:
        """The sentences of a meeting that the scenario's grammar draws, in their order."""
        script = talk.draw(rng, self._split, speakers).rows
        found = []
        for row in script[script[:, talk.FORM] != NOTHING].tolist():
            form, item = row[talk.FORM], row[talk.ITEM]
            own = FORMS[form].act == VOLUNTEER
            owner = NOTHING if own else row[talk.OWNER]
            found.append(self._number[row[talk.SPEAKER], form, owner, item, row[talk.DATE]])
        return found

    def true(self, speakers: int, said: Sequence[int]) -> BoolArray:
        """Which sentences somebody can say now and be right, (sentences,).

        They are said by somebody who is there and has not just spoken, and name nobody who is not
        there. What is proposed is new; what is agreed upon, objected to, changed or withdrawn
        stands, and a change changes something. What was said and was not true changes nothing.

        Args:
            speakers: how many there are.
            said: what was said before.
        """
        last = NOTHING
        known = np.full((3, ITEMS + 1), NOTHING)  # The last act, the owner and the date.
        for number in said:
            speaker, _, owner, item, date = self._rows[number].tolist()
            if self._true(np.array([number]), speakers, last, known)[0] and item != NOTHING:
                owner = speaker if self._kind[number] == VOLUNTEER else owner
                for column, value in enumerate((int(self._act[number]), owner, date)):
                    known[column, item] = value if value != NOTHING else known[column, item]
            last = speaker
        return self._true(np.arange(len(self._rows)), speakers, last, known)

    def _true(
        self, which: NDArray[np.intp], speakers: int, last: int, known: NDArray[np.int64]
    ) -> BoolArray:
        rows, kind, act = self._rows[which], self._kind[which], self._act[which]
        acts, owners, dates = known[:, rows[:, _ITEM]]
        there = (rows[:, _SPEAKER] < speakers) & (rows[:, _OWNER] < speakers)
        changes = np.where(
            kind == AMEND,
            rows[:, _OWNER] != owners,
            (kind != NEW_DATE) | (rows[:, _DATE] != dates),
        )
        follows = (act == CHAT) | (_FOLLOWS[acts, act] & changes)
        return np.asarray(there & (rows[:, _SPEAKER] != last) & follows)

    def write(self, number: int, topic: int) -> str:
        """A sentence as it is said about a topic, with its tasks in the agenda's order."""
        speaker, form, owner, item, date = self._rows[number].tolist()
        return sentence(form, speaker, owner, TOPICS[topic].tasks[item], date)

    def topics(self) -> list[int]:
        """The topics of the split."""
        return [i for i, topic in enumerate(TOPICS) if topic.split == self._split]


def _of(form: int) -> list[tuple[int, int, int, int, int]]:
    """All sentences of a phrasing: speaker, form, owner, item and date; NOTHING for not named."""
    act, nobody = FORMS[form].act, (NOTHING,)
    owners = range(len(NAMES)) if act in (PROPOSE, AMEND) else nobody
    items = range(ITEMS) if act != CHAT else nobody
    dates = range(len(DAYS)) if act in (PROPOSE, VOLUNTEER, NEW_DATE) else nobody
    return [
        (speaker, form, owner, item, date)
        for speaker, owner, item, date in product(range(len(NAMES)), owners, items, dates)
        if act != PROPOSE or owner != speaker
    ]


def _words(row: tuple[int, int, int, int, int]) -> tuple[str, ...]:
    speaker, form, owner, item, date = row
    return tuple(_WORDS.findall(sentence(form, speaker, owner, f"<{LETTERS[item]}>", date)))
