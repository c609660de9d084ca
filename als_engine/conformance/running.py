"""Runs the checks of anything, one after the other, and turns whatever goes wrong into lines.

A check is a function that yields what is wrong. Its name is in a table of its kind, and the first
line of its docstring is the promise that it looks at.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from als_engine.conformance.places import Own
from als_engine.conformance.report import Failure, Report, Result
from als_engine.errors import ArgumentError, TaskError, unknown

__all__ = ["Question", "Subject", "check_names", "run_all"]

_LONGEST: Final = 400
"""Characters of an error's text that are shown."""


@dataclass(frozen=True)
class Question:
    """Something that may be meant, or a mistake: the author has to say which.

    Attributes:
        name: one of `als_engine.plugins.specs.QUESTIONS`.
        text: what was seen.
        place: as a `Failure` has it.
    """

    name: str
    text: str
    place: str = ""


@dataclass
class Subject:
    """What is under examination, of whatever kind, and what the checks note about it.

    Attributes:
        id: its id.
        own: the code that is its own.
        answers: what its author has answered to questions, by their name.
        figures: what was measured.
        notes: one line by the name of a check.
        scores: of checks that know more than right or wrong, by their name.
        told: which check has told of an error, by what is the same wherever it is met.
    """

    id: str
    own: Own
    answers: Mapping[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    def place_of(self, method: str) -> str:
        """Where a method of what is checked is defined, or `''`."""
        return ""


S = TypeVar("S", bound=Subject)
Finding = str | Failure | Question
Check = Callable[[S], Iterable[Finding]]


def check_names(
    checks: Mapping[str, Any], only: Sequence[str] | None, skip: Sequence[str]
) -> list[str]:
    """The names of the checks to run.

    Raises:
        ArgumentError: there is no check of such a name.
    """
    for name in (*(only or ()), *skip):
        if name not in checks:
            raise ArgumentError(unknown("check", name, checks))
    return [name for name in checks if name in (only or checks) and name not in skip]


def run_all(
    kind: str,
    subject: S,
    checks: Mapping[str, Check[S]],
    names: Iterable[str],
    on_result: Callable[[Result], None] = lambda result: None,
    on_begin: Callable[[str], None] = lambda name: None,
) -> Report:
    """Runs checks by their names.

    Args:
        kind: of the subject.
        subject: what is checked.
        checks: name to check.
        names: which ones.
        on_result: called after each check.
        on_begin: called before each check, with its name.
    """
    results = []
    for name in names:
        on_begin(name)
        results.append(_run(name, checks[name], subject))
        on_result(results[-1])
    return Report(subject.id, tuple(results), dict(subject.figures), kind)


def _run(name: str, check: Check[S], subject: S) -> Result:
    found: list[Failure] = []
    told_by, ears = "", _Ears(subject.own)
    began = time.perf_counter()
    try:
        with contextlib.redirect_stdout(ears), contextlib.redirect_stderr(ears.louder()):
            for finding in check(subject):
                found += _failures(finding, name, subject)
    # Whatever it raises, it is the check that failed.
    except (Exception, SystemExit) as error:
        sign = _sign(error)
        if sign in subject.told and not found:
            told_by = subject.told[sign]
        elif sign not in subject.told:
            found.append(_failure_of(error, subject))
        subject.told.setdefault(sign, name)
    found += [each for each in ears.heard() if _plain(each.text) not in subject.told]
    subject.told.update((_plain(each.text), name) for each in ears.heard())
    seconds = time.perf_counter() - began
    promise, failures = (check.__doc__ or "").partition("\n")[0], tuple(_once(found))
    note = subject.notes.get(name, "")
    score = None if told_by else subject.scores.get(name, 0.0 if failures else 1.0)
    if score == 1.0 and not failures and note in NOTHING_TO_LOOK_AT:
        score = None
    return Result(name, promise, failures, note, seconds, told_by, score)


NOTHING_TO_LOOK_AT: Final = ("not asked for", "not installed", "not imported", "none")
"""Notes that say that a check has looked at nothing."""


def _failures(finding: Finding, check: str, subject: Subject) -> Iterator[Failure]:
    """A finding as a failure; a question that is answered is a note."""
    if isinstance(finding, Question):
        if answer := subject.answers.get(finding.name):
            known = subject.notes.get(check)
            answered = f'the spec answers "{finding.name}": {answer}'
            subject.notes[check] = f"{known}; {answered}" if known else answered
            return
        text = (
            f"{finding.text}. If it is meant, say why in the spec: "
            f'answers={{"{finding.name}": "..."}}'
        )
        yield Failure(text, finding.place)
    else:
        yield Failure(finding) if isinstance(finding, str) else finding


def _failure_of(error: BaseException, subject: Subject) -> Failure:
    """An error as a failure, with the last line of the checked code that it came through."""
    text = " ".join(str(error).split())
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ..."
    speaks = isinstance(error, (AssertionError, TaskError)) and text
    place = subject.own.of_error(error)
    if isinstance(error, TaskError) and error.method:
        place = subject.place_of(error.method) or place
    return Failure(text if speaks else f"{type(error).__name__}: {text}", place)


def _sign(error: BaseException) -> str:
    """What is the same of an error wherever it is met."""
    return _plain(f"{type(error).__name__} {' '.join(str(error).split())}")


def _plain(text: str) -> str:
    """A text without its numbers, of which every level and step has others."""
    return re.sub(r"\d+(\.\d+)?", "#", text)


def _once(found: Iterable[Failure]) -> Iterator[Failure]:
    """Each failure once, with the number of those that say the same of other numbers."""
    alike: dict[str, list[Failure]] = {}
    for each in found:
        alike.setdefault(_plain(each.text), []).append(each)
    for first, *more in alike.values():
        such = f" (and {len(more)} more such)" if more else ""
        yield Failure(f"{first.text}{such}", first.place)


class _Ears(io.TextIOBase):
    """Stands for stdout, and notices what the checked code prints; what others do is dropped."""

    def __init__(self, own: Own, beneath: Any = None, lines: dict[str, str] | None = None) -> None:
        self._own, self._beneath = own, beneath
        self._lines: dict[str, str] = {} if lines is None else lines

    def louder(self) -> _Ears:
        """Stands for stderr, where what others write goes on."""
        return _Ears(self._own, sys.stderr, self._lines)

    def write(self, text: str) -> int:
        """Notes the text at the line that printed it."""
        place = self._own.of_printer()
        if place and (text.strip() or place in self._lines):
            self._lines.setdefault(place, text.strip())
        elif self._beneath is not None:
            self._beneath.write(text)
        return len(text)

    def flush(self) -> None:
        """Does nothing but for those who write on."""
        if self._beneath is not None:
            self._beneath.flush()

    def heard(self) -> list[Failure]:
        """A failure for every line of code that has printed."""
        return [
            Failure(f"it prints {text[:80]!r}; log it, or leave it out", place)
            for place, text in self._lines.items()
        ]
