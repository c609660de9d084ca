"""What can be asked for in `ALS/World-v0`: seven tasks, each about a pair, and how they are worded.

A task is the kernel of another scenario's decision. What is asked is a pair of numbers (i, j) whose
meaning is the task's own; a split holds out pairs, so that what is new in the test split is how
known things are put together.

| task | i | j | kernel of |
| --- | --- | --- | --- |
| answer | the first operand less 1 | the second less 1 | `ALS/Classroom-v0` |
| treat | temperature | pulse | `ALS/Diagnosis-v0` |
| deliver | what is in the parcel | to whom | `ALS/Delivery-v0` |
| guide | what is liked most | what is liked second | `ALS/Tour-v0` |
| find | where the child is | where it has to be | `ALS/Tag-v0` |
| build | the first colour | the second colour | `ALS/Build-v0` |
| tell | where to go | who has to go there | `ALS/Meeting-v0` |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from als_engine.task import Split

TASKS: Final = ("answer", "treat", "deliver", "guide", "find", "build", "tell")
ANSWER, TREAT, DELIVER, GUIDE, FIND, BUILD, TELL = range(len(TASKS))

PLACES: Final = ("school", "ward", "office", "museum", "yard")
SCHOOL, WARD, OFFICE, MUSEUM, YARD = range(len(PLACES))

TEACHER, PUPIL, NURSE, PATIENT, CLERK, VISITOR, CHILD, LEADER = range(8)
ROLES: Final = (
    "teacher", "pupil", "nurse", "patient", "clerk", "visitor", "child", "guide", "visitor",
)  # fmt: skip
"""Of the inhabitants, in their order; a town has seven to nine of them."""

ADDRESSEES: Final = (TEACHER, PUPIL, NURSE, CLERK, VISITOR)
"""Who gets parcels and messages."""

KINDS: Final = ("letter", "book", "cake", "lamp", "coat", "tool")
COLORS: Final = ("red", "blue", "green", "yellow", "purple", "orange")
ATTRIBUTES: Final = ("history", "nature", "people", "colour", "drama", "craft")
MEDICINES: Final = ("balsam", "cordial", "syrup", "tonic")

TEMPERATURES: Final = (35.4, 35.9, 38.6, 39.4)
PULSES: Final = (48, 56, 104, 118)
"""Degrees Celsius and beats a minute; both are too low or too high."""

SIZES: Final = 6
"""How many values i and j have at most: the length of their one-hot vectors."""

_COUNTS: Final = {
    "answer": (6, 6),
    "treat": (len(TEMPERATURES), len(PULSES)),
    "deliver": (len(KINDS), len(ADDRESSEES)),
    "guide": (len(ATTRIBUTES), len(ATTRIBUTES)),
    "find": (len(PLACES), len(PLACES)),
    "build": (len(COLORS), len(COLORS)),
    "tell": (len(PLACES), len(ADDRESSEES)),
}
_DIFFER: Final = ("guide", "find", "build")

Pair = tuple[int, int]


def _split_of_pair(task: str, i: int, j: int) -> Split:
    """Two of seven pairs are the test split's, one is validation's; each value is in all."""
    if task == "answer":  # 2 + 3 is what 3 + 2 is.
        i, j = min(i, j), max(i, j)
    rank = (2 * i + 3 * j + TASKS.index(task)) % 7
    return "validation" if rank == 0 else "test" if rank in (2, 5) else "train"


def _pairs(task: str, split: Split) -> tuple[Pair, ...]:
    firsts, seconds = _COUNTS[task]
    return tuple(
        (i, j)
        for i in range(firsts)
        for j in range(seconds)
        if _split_of_pair(task, i, j) == split and not (task in _DIFFER and i == j)
    )


PAIRS: Final[Mapping[Split, tuple[tuple[Pair, ...], ...]]] = {
    "train": tuple(_pairs(task, "train") for task in TASKS),
    "validation": tuple(_pairs(task, "validation") for task in TASKS),
    "test": tuple(_pairs(task, "test") for task in TASKS),
}
"""What can be asked in each split, by task."""

_WORDINGS: Final = (
    (
        "what is {a} plus {b}?", "how much do {a} and {b} make?",
        "add {b} to {a}, what do you get?", "please sum up {a} and {b}",
    ),
    (
        "the patient needs a medicine", "please treat the patient",
        "somebody is ill, read the chart", "look after the one on the ward",
    ),
    (
        "bring the {kind} to the {who}", "the {who} waits for the {kind}",
        "please take the {kind} to the {who}", "there is a {kind} for the {who}",
    ),
    (
        "show me something with {a} and {b}", "i like {a} most, then {b}",
        "where is there {a}, with a little {b}?", "i came for {a} and also for {b}",
    ),
    (
        "bring the child from the {a} to the {b}", "the child is in the {a}, take it to the {b}",
        "fetch the child, {a} to {b}", "the {b} wants the child that is in the {a}",
    ),
    (
        "build {a} and then {b}", "first {a}, then {b} in the yard",
        "put up {a}, and {b} after it", "the plan says {a} before {b}",
    ),
    (
        "tell the {who} to go to the {a}", "the {who} has to come to the {a}",
        "say to the {who}: {a}", "please send the {who} to the {a}",
    ),
)  # fmt: skip
_WORDED: Final[Mapping[Split, tuple[int, ...]]] = {
    "train": (0, 1),
    "validation": (2,),
    "test": (3,),
}


def wordings(split: Split) -> tuple[int, ...]:
    """The numbers of the wordings that a split has."""
    return _WORDED[split]


def medicine_for(i: int, j: int) -> int:
    """The medicine that suits a temperature and a pulse: one for each of the four quadrants."""
    return 2 * (i >= len(TEMPERATURES) // 2) + (j >= len(PULSES) // 2)


def request(task: int, i: int, j: int, wording: int) -> str:
    """A request in words."""
    who = ROLES[ADDRESSEES[j % len(ADDRESSEES)]]
    names: dict[int, dict[str, str]] = {
        ANSWER: {"a": str(i + 1), "b": str(j + 1)},
        TREAT: {},
        DELIVER: {"kind": KINDS[i], "who": who},
        GUIDE: {"a": ATTRIBUTES[i], "b": ATTRIBUTES[j]},
        FIND: {"a": PLACES[i % len(PLACES)], "b": PLACES[j % len(PLACES)]},
        BUILD: {"a": COLORS[i], "b": COLORS[j]},
        TELL: {"who": who, "a": PLACES[i % len(PLACES)]},
    }
    return _WORDINGS[task][wording].format(**names[task])
