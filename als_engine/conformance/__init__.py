"""The conformance kit: what scenarios and parts promise, as checks that their author can run.

In a third party's pytest, one line is enough:

    def test_my_scenario():
        check_scenario("Acme/FetchKettle-v0")

`check_everything` takes whatever `als check` does: agents, sensors, encoders, suites and packages.
"""

from __future__ import annotations

from als_engine.conformance.case import Case, Options
from als_engine.conformance.kinds.checking import check_everything
from als_engine.conformance.kit import CHECKS, check_scenario, examine
from als_engine.conformance.report import ConformanceError, Failure, Report, Result

__all__ = [
    "CHECKS",
    "Case",
    "ConformanceError",
    "Failure",
    "Options",
    "Report",
    "Result",
    "check_everything",
    "check_scenario",
    "examine",
]
