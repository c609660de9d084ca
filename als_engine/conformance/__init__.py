"""The conformance kit: what every scenario promises, as checks that its author can run.

In a third party's pytest, one line is enough:

    def test_my_scenario():
        check_scenario("Acme/FetchKettle-v0")

On the command line it is `als check Acme/FetchKettle-v0`.
"""

from __future__ import annotations

from als_engine.conformance.case import Case, Options
from als_engine.conformance.kit import CHECKS, check_scenario, examine
from als_engine.conformance.report import ConformanceError, Report, Result

__all__ = [
    "CHECKS",
    "Case",
    "ConformanceError",
    "Options",
    "Report",
    "Result",
    "check_scenario",
    "examine",
]
