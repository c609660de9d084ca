"""The words of a meeting: who is there, what is on the agenda, and how each act can be phrased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from als_engine.task import Split

NAMES: Final = ("Ana", "Ben", "Cho", "Dee", "Eli", "Fay")
"""The speakers, in the order of their numbers; the first three are in every meeting."""

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")

LETTERS: Final = ("A", "B", "C", "D", "E", "F")
"""The items of an agenda."""

ITEMS: Final = len(LETTERS)


class Topic(NamedTuple):
    """What a meeting is about.

    Attributes:
        name: the agenda's heading, at most 16 characters.
        split: the only one whose meetings are about it.
        tasks: what there is to do, at most 14 characters each; an agenda has them in any order.
    """

    name: str
    split: Split
    tasks: tuple[str, str, str, str, str, str]


TOPICS: Final = (
    Topic("Summer party", "train", (
        "book the hall", "order the cake", "hire the band", "send invites", "rent chairs",
        "pick the menu",
    )),
    Topic("Office move", "train", (
        "pack the files", "call a mover", "measure desks", "label the keys",
        "clean the loft", "order carpets",
    )),
    Topic("Web site", "train", (
        "fix the links", "write the news", "test the shop", "draw the logo", "check the form",
        "move the blog",
    )),
    Topic("Audit", "train", (
        "sort receipts", "list assets", "scan contracts", "count the cash",
        "date the bills", "sum the costs",
    )),
    Topic("New colleagues", "train", (
        "post the ad", "read letters", "plan the tests", "greet guests", "rank the list",
        "call referees",
    )),
    Topic("Fire safety", "train", (
        "check alarms", "mark the exits", "fill the kits", "test the hoses", "plan the drill",
        "fix the ladder",
    )),
    Topic("Book fair", "validation", (
        "print posters", "book the stand", "pack the books", "sell tickets", "find a reader",
        "rent the van",
    )),
    Topic("Garden", "validation", (
        "mow the lawn", "trim the hedge", "plant bulbs", "paint the shed", "dig the pond",
        "buy the seeds",
    )),
    Topic("Museum night", "test", (
        "hang pictures", "dim the lights", "guard the door", "print a guide", "clean the case",
        "tune the piano",
    )),
    Topic("Science camp", "test", (
        "order lenses", "build the tent", "test the rover", "map the trail", "pack the lunch",
        "charge radios",
    )),
    Topic("Film shoot", "test", (
        "scout the pier", "cast the extra", "rig the camera", "feed the crew", "edit the reel",
        "sew the capes",
    )),
)  # fmt: skip

PROPOSE, OBJECT, AMEND, WITHDRAW, AGREE, CHAT = range(6)
ACTS: Final = ("propose", "object", "amend", "withdraw", "agree", "small talk")
"""The speech acts; all but small talk are decisive."""

VOLUNTEER, NEW_DATE = 6, 7
"""Two more ways to phrase: a proposal of who would do it, and an amendment of the date."""


class Form(NamedTuple):
    """A phrasing.

    Attributes:
        act: of `ACTS`, or `VOLUNTEER` or `NEW_DATE`.
        split: the only one in which it is heard.
        text: with {owner}, {task} and {date} where they are named.
    """

    act: int
    split: Split
    text: str


_TRAIN: Final[Mapping[int, tuple[str, ...]]] = {
    PROPOSE: (
        "{owner} could {task} by {date}.",
        "Let us ask {owner} to {task} by {date}.",
        "My idea: {owner} will {task} by {date}.",
    ),
    VOLUNTEER: ("I can {task} by {date}.", "Let me {task} by {date}."),
    OBJECT: ("I do not like the plan to {task}.", "We cannot {task} like that."),
    AMEND: ("{owner} should {task} instead.", "No, let {owner} {task}."),
    NEW_DATE: ("We have to {task} by {date} instead.", "No, {date} is the day to {task}."),
    WITHDRAW: ("Forget it, nobody has to {task}.", "I take it back: we need not {task}."),
    AGREE: ("Agreed, that is how we {task}.", "Good, the plan to {task} stands."),
    CHAT: ("Who has the coffee?", "It is warm in here."),
}
_VALIDATION: Final[Mapping[int, tuple[str, ...]]] = {
    PROPOSE: ("Shall we let {owner} {task} until {date}?", "Why does {owner} not {task}, {date}?"),
    VOLUNTEER: ("I am happy to {task} by {date}.",),
    OBJECT: ("Sorry, to {task} that way will not work.",),
    AMEND: ("It is better if {owner} gets to {task}.",),
    NEW_DATE: ("Could we {task} on {date} rather?",),
    WITHDRAW: ("Let us drop that and not {task}.",),
    AGREE: ("Fine with all of us, we {task} so.",),
    CHAT: ("Did you see the match?",),
}
_TEST: Final[Mapping[int, tuple[str, ...]]] = {
    PROPOSE: ("I would like {owner} to {task}, {date} at the latest.", "{owner}, {task}, {date}?"),
    VOLUNTEER: ("Put me down to {task} before {date} is over.",),
    OBJECT: ("That is no way to {task}, is it?",),
    AMEND: ("Rather {owner} than anyone else to {task}.",),
    NEW_DATE: ("Make it {date}, then, to {task}.",),
    WITHDRAW: ("On second thoughts we will not {task}.",),
    AGREE: ("Settled, that is the way to {task}.",),
    CHAT: ("What a lovely day.",),
}

_HEARD_IN: Final[Mapping[Split, Mapping[int, tuple[str, ...]]]] = {
    "train": _TRAIN,
    "validation": _VALIDATION,
    "test": _TEST,
}

FORMS: Final = tuple(
    Form(act, split, text)
    for split, forms in _HEARD_IN.items()
    for act, texts in forms.items()
    for text in texts
)
"""All phrasings; an act's number among them is what a level remembers."""

FITTING: Final[Mapping[tuple[int, Split], tuple[int, ...]]] = {
    (act, split): tuple(i for i, form in enumerate(FORMS) if (form.act, form.split) == (act, split))
    for act in range(NEW_DATE + 1)
    for split in _HEARD_IN
}
"""The phrasings of an act in a split, by their numbers."""


def sentence(form: int, speaker: int, owner: int, task: str, date: int) -> str:
    """A speaker's whole sentence; what it does not name may be any index."""
    text = FORMS[form].text.format(owner=NAMES[owner], task=task, date=DAYS[date])
    return f"{NAMES[speaker]}: {text}"
