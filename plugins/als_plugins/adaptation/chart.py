"""Draws an adaptation: the return over steps, when the world changed, what was rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from als_engine.reports.series_chart import Dot, Series, band_chart, standalone

if TYPE_CHECKING:
    from als_plugins.adaptation.records import Round

__all__ = ["adaptation_chart"]


def adaptation_chart(rounds: Sequence[Round], drift_at: int | None) -> str:
    """Draws the rounds.

    Args:
        rounds: in order; a round that was rolled back is drawn where it was, with a cross.
        drift_at: steps after which the world changed; None when it did not, or not yet.

    Returns:
        SVG text that needs nothing else.
    """
    if not rounds:
        return ""
    steps, undone = [each.steps for each in rounds], "rolled back"
    means, lows, highs = zip(*((r.mean, r.low, r.high) for r in rounds), strict=True)
    drifted = drift_at is not None and drift_at <= steps[-1]
    crosses = any(each.outcome == undone for each in rounds)
    drawing = band_chart(
        [
            Series("best so far", "expert d1", steps, [each.best for each in rounds]),
            Series("agent", "trained", steps, means, lows, highs),
        ],
        [],
        f"steps learnt from{'; a cross is a round that was rolled back' if crosses else ''}",
        "Return in validation episodes",
        dots=[Dot(r.steps, r.mean, "trained", r.outcome, r.outcome == undone) for r in rounds],
        events=[(drift_at or 0, "the world changes")] if drifted else [],
        width=720,
        height=380,
    )
    return standalone(drawing)
