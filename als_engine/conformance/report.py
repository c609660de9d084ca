"""The report of a run of the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from als_engine.errors import ALSError

__all__ = ["ConformanceError", "Report", "Result"]


@dataclass(frozen=True)
class Result:
    """The result of one check.

    Attributes:
        check: its name, such as `replay`.
        promise: what it checks, as a sentence.
        failures: one line each; empty when the promise holds.
        note: a number that it measured, or why there was nothing to check.
        seconds: that it took.
    """

    check: str
    promise: str
    failures: tuple[str, ...]
    note: str
    seconds: float


@dataclass(frozen=True)
class Report:
    """The results of all checks of one scenario.

    Attributes:
        scenario: its id.
        results: one for each check, in the order in which they ran.
        figures: what was measured, such as `expert_success` and `steps_per_second`.
    """

    scenario: str
    results: tuple[Result, ...]
    figures: Mapping[str, float]

    @property
    def failures(self) -> list[str]:
        """One line each, with the check's name; empty when every promise holds."""
        return [f"{r.check}: {failure}" for r in self.results for failure in r.failures]

    @property
    def ok(self) -> bool:
        """Whether every promise holds."""
        return not self.failures


class ConformanceError(ALSError, AssertionError):
    """A scenario that does not keep its promises; the message has one line for each failure.

    Attributes:
        report: everything that was checked.
    """

    def __init__(self, report: Report) -> None:
        lines = "".join(f"\n- {failure}" for failure in report.failures)
        super().__init__(f"{report.scenario} breaks {len(report.failures)} promises:{lines}")
        self.report = report
