"""The report of a run of the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from als_engine.errors import ALSError

__all__ = ["ConformanceError", "Failure", "Report", "Result"]


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong.

    Attributes:
        text: what, in one line.
        place: the line of the checked code that is concerned, `file:line, in function: code`;
            empty where none is.
    """

    text: str
    place: str = ""

    def __str__(self) -> str:
        """Returns the line for people."""
        return f"{self.text} ({self.place})" if self.place else self.text


@dataclass(frozen=True)
class Result:
    """The result of one check.

    Attributes:
        check: its name, such as `replay`.
        promise: what it checks, as a sentence.
        failures: each thing that is wrong, once; empty when the promise holds.
        note: a number that it measured, or why there was nothing to check.
        seconds: that it took.
        told_by: the check that tells already what broke this one off; else empty.
        score: from 0, nothing is as promised, to 1, all is; None where nothing could be looked at.
    """

    check: str
    promise: str
    failures: tuple[Failure, ...]
    note: str
    seconds: float
    told_by: str = ""
    score: float | None = 1.0

    @property
    def outcome(self) -> str:
        """`kept`, `broken`, `broken off` by what another check tells, or `not looked at`."""
        if self.failures:
            return "broken"
        if self.told_by:
            return "broken off"
        return "kept" if self.score is not None else "not looked at"

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as JSON has it."""
        return {**asdict(self), "outcome": self.outcome}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Result:
        """Makes again what `as_dict` was made of."""
        fields = {name: value for name, value in found.items() if name != "outcome"}
        return cls(**{**fields, "failures": tuple(Failure(**each) for each in found["failures"])})


@dataclass(frozen=True)
class Report:
    """The results of all checks of one thing.

    Attributes:
        scenario: its id.
        results: one for each check, in the order in which they ran.
        figures: what was measured, such as `expert_success` and `steps_per_second`.
        kind: what it is: `scenario`, `agent`, `sensor`, `encoder`, `suite` or `package`.
    """

    scenario: str
    results: tuple[Result, ...]
    figures: Mapping[str, float]
    kind: str = "scenario"

    @property
    def failures(self) -> list[str]:
        """One line each, with the check's name; empty when every promise holds."""
        return [f"{r.check}: {failure}" for r in self.results for failure in r.failures]

    @property
    def ok(self) -> bool:
        """Whether every promise holds."""
        return not self.failures

    @property
    def score(self) -> float:
        """The mean score of all that could be looked at."""
        scores = [0.0 if r.told_by else r.score for r in self.results]
        known = [score for score in scores if score is not None]
        return sum(known) / len(known) if known else 1.0

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as JSON has it."""
        return {
            "kind": self.kind,
            "id": self.scenario,
            "ok": self.ok,
            "score": self.score,
            "results": [result.as_dict() for result in self.results],
            "figures": dict(self.figures),
        }


class ConformanceError(ALSError, AssertionError):
    """Something that does not keep its promises; the message has one line for each failure.

    Attributes:
        report: everything that was checked.
    """

    def __init__(self, report: Report) -> None:
        lines = "".join(f"\n- {failure}" for failure in report.failures)
        super().__init__(f"{report.scenario} breaks {len(report.failures)} promises:{lines}")
        self.report = report
