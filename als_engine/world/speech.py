"""What avatars can say: fixed phrases, and verbs with a slot such as "assign skill 3"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from als_engine.errors import TaskError, unknown
from als_engine.world.arrays import NOTHING, IntArray

MAX_SENTENCES: Final = 1_024
"""How many different sentences a task may have; each is one discrete action."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb that is said together with one of several things: `Verb("assign", ("skill 0", ...))`.

    Attributes:
        name: what is said first.
        slots: what can follow it, each making a sentence: "assign skill 0".
    """

    name: str
    slots: Sequence[str]

    def __post_init__(self) -> None:
        if isinstance(self.slots, str):
            raise TaskError(f"the slots of the verb {self.name!r} must be a list of texts")
        object.__setattr__(self, "slots", tuple(self.slots))


Vocabulary: TypeAlias = Sequence[str | Verb]
"""Phrases, and verbs with slots."""


def joined(vocabularies: Iterable[Vocabulary]) -> list[str | Verb]:
    """All that several vocabularies have, in the order in which they first have it.

    Raises:
        TaskError: what is a phrase in one is a verb with slots in another.
    """
    every = list(vocabularies)
    if all(each == every[0] for each in every):
        return _checked(every[0])
    slots: dict[str, list[str]] = {}
    for said in (said for each in every for said in _checked(each)):
        name, new = (said.name, said.slots) if isinstance(said, Verb) else (said, ())
        if bool(slots.setdefault(name, list(new))) != bool(new):
            raise TaskError(f"utterances: {name!r} is a phrase for one role, a verb for another")
        slots[name] += [slot for slot in new if slot not in slots[name]]
    return [Verb(name, each) if each else name for name, each in slots.items()]


class Speech:
    """All sentences of a task, numbered as `avatars.utterance` counts them.

    Attributes:
        sentences: the whole sentences, in the order in which the task has phrases and verbs.
        verbs: the phrases and the verbs alone, in the same order.
        verb: (sentences + 1,) index into `verbs`; slot: (sentences + 1,) index into the verb's
            slots, NOTHING for a phrase. The last entry is NOTHING in both, so that an utterance
            of NOTHING finds it.
        sentence: (verbs, most slots) index of a sentence; NOTHING where a verb has no such slot. A
            phrase is in all columns.
        slots: what each column of `sentence` stands for; empty when there are phrases only.
    """

    def __init__(self, utterances: Iterable[str | Verb]) -> None:
        """Numbers the sentences.

        Raises:
            TaskError: there are too many, one is empty or there twice, or a verb has no slots.
        """
        given = _checked(utterances)
        slots = [tuple(said.slots) if isinstance(said, Verb) else () for said in given]
        self.verbs = tuple(said.name if isinstance(said, Verb) else said for said in given)
        pairs = [
            (verb, slot)
            for verb, each in enumerate(slots)
            for slot in (range(len(each)) if each else (NOTHING,))
        ]
        self.sentences = tuple(
            self.verbs[verb] if slot == NOTHING else f"{self.verbs[verb]} {slots[verb][slot]}"
            for verb, slot in pairs
        )
        twice = [text for text in self.sentences if self.sentences.count(text) > 1]
        if twice:
            raise TaskError(f"utterances: {twice[0]!r} is there twice")
        most = max(map(len, slots), default=0)
        self.slots = tuple(
            " or ".join(dict.fromkeys(each[i] for each in slots if i < len(each)))
            for i in range(most)
        )
        ends = [*pairs, (NOTHING, NOTHING)]
        self.verb: IntArray = np.array([verb for verb, _ in ends], np.int32)
        self.slot: IntArray = np.array([slot for _, slot in ends], np.int32)
        self.sentence: IntArray = np.full((len(given), max(1, most)), NOTHING, np.int32)
        for number, (verb, slot) in enumerate(pairs):
            self.sentence[verb, slice(None) if slot == NOTHING else slot] = number

    def index(self, sentence: str) -> int:
        """The number of a sentence, for `Commands.say`.

        Raises:
            TaskError: nobody can say that.
        """
        if sentence not in self.sentences:
            raise TaskError(unknown("utterance", sentence, self.sentences))
        return self.sentences.index(sentence)


def _checked(utterances: Iterable[str | Verb]) -> list[str | Verb]:
    if isinstance(utterances, str):
        raise TaskError(f"utterances must be a list of texts, got {utterances!r}")
    given = list(utterances)
    for said in given:
        if not isinstance(said, (str, Verb)):
            raise TaskError(f"an utterance must be a text or a Verb, got {said!r}")
        texts = (said.name, *said.slots) if isinstance(said, Verb) else (said,)
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise TaskError(f"utterances: {said!r} has a text that is empty")
        if isinstance(said, Verb) and not said.slots:
            raise TaskError(f"utterances: the verb {said.name!r} has no slots; give the text alone")
    count = sum(len(said.slots) if isinstance(said, Verb) else 1 for said in given)
    if count > MAX_SENTENCES:
        raise TaskError(f"utterances make {count} sentences, of which there may be {MAX_SENTENCES}")
    return given
