"""Measures the returns of random and expert, which a suite's file freezes as 0 and 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from als_engine.agents.saving import make_agent
from als_engine.evaluation.protocol import evaluate
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

__all__ = ["calibrate"]


def calibrate(
    suite: SuiteSpec, episodes: int, on_episode: Callable[[int], None] = lambda ended: None
) -> Iterator[tuple[SuiteEntry, float, float]]:
    """Plays every entry with random actions and with the scenario's expert.

    Yields:
        The entry, and both mean returns.

    Raises:
        NotImplementedError: a scenario has no expert.
    """
    for entry in suite.entries:
        # Who looks at nothing needs no picture.
        arguments = {**entry.arguments, **entry.held_out, "sensors": ["proprioception"]}
        means = []
        for yardstick in ("random", "expert"):
            found = evaluate(
                make_agent(yardstick, entry.scenario, arguments),
                entry.scenario,
                episodes,
                split=entry.split,
                observers=entry.observers,
                arguments=arguments,
                # A yardstick is no competitor that meets the same levels.
                use="calibration",
                on_episode=on_episode,
            )
            means.append(round(float(found.returns.mean()), 4))
        yield entry, means[0], means[1]
