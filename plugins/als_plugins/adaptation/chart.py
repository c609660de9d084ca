"""An adaptation as a drawing: the return over steps, where the world changed, what was undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from als_engine.reports.chart import ticks, with_minus
from als_engine.texts import escape

if TYPE_CHECKING:
    from als_plugins.adaptation.records import Round

__all__ = ["adaptation_chart"]

WIDTH: Final = 720
HEIGHT: Final = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 20, 52, 50

_STYLE: Final = """
svg { --page: #ffffff; --rim: #e4e1d8; --ink: #1d2530; --soft: #5d6673; --own: #0b7d6f;
  --best: #b3641a; --lost: #b3402a; background: var(--page);
  font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --page: #18202a; --rim: #2a3542; --ink: #e8edf2;
  --soft: #9aa7b5; --own: #3ecdb8; --best: #f0a35c; --lost: #ff8a70; } }
.grid { stroke: var(--rim); } .label { fill: var(--soft); } .ink { fill: var(--ink); }
.band { fill: var(--own); opacity: .16; }
.curve { fill: none; stroke: var(--own); stroke-width: 2.5; stroke-linejoin: round; }
.best { fill: none; stroke: var(--best); stroke-width: 1.5; stroke-dasharray: 5 4; }
.dot { fill: var(--own); }
.undone { stroke: var(--lost); stroke-width: 2.5; stroke-linecap: round; }
.drift { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 2 4; }
"""


def adaptation_chart(rounds: Sequence[Round], drift_at: int | None) -> str:
    """Draws the rounds.

    Args:
        rounds: in order; a round that was taken back is drawn where it was, with a cross.
        drift_at: steps after which the world changed; None when it did not, or not yet.

    Returns:
        SVG text that needs nothing else, for light pages and dark ones.
    """
    if not rounds:
        return ""
    right = max(rounds[-1].steps, 1)
    levels = ticks(min(r.low for r in rounds), max(r.high for r in rounds))
    plane = _Plane(right, levels[0], levels[-1])
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-label="Return in validation episodes over steps"><style>{_STYLE}</style>',
        _text(_LEFT, 22, "Return in validation episodes", "ink", "start"),
        *(plane.level(y) for y in levels),
        *(plane.below(x) for x in ticks(0, right, 6) if x <= right),
    ]
    band = [(r.steps, r.high) for r in rounds] + [(r.steps, r.low) for r in reversed(rounds)]
    parts.append(f'<polygon class="band" points="{plane.path(band)}"/>')
    parts.append(
        f'<polyline class="best" points="{plane.path([(r.steps, r.best) for r in rounds])}"/>'
    )
    parts.append(
        f'<polyline class="curve" points="{plane.path([(r.steps, r.mean) for r in rounds])}"/>'
    )
    parts += [plane.mark(r) for r in rounds]
    if drift_at is not None and drift_at <= right:
        parts.append(plane.drift(drift_at))
    return "".join(parts) + _legend(any(r.outcome == "rolled back" for r in rounds)) + "</svg>\n"


class _Plane:
    """Turns steps and returns into places."""

    def __init__(self, right: float, low: float, high: float) -> None:
        self._right, self._low, self._high = right, low, high

    def x(self, steps: float) -> float:
        return _LEFT + steps / self._right * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        part = (value - self._low) / (self._high - self._low)
        return HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)

    def level(self, value: float) -> str:
        y = self.y(value)
        return (
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            + _text(_LEFT - 8, y + 4, with_minus(f"{value + 0.0:.6g}"), "label", "end")
        )

    def below(self, steps: float) -> str:
        name = f"{steps / 1_000:g}k" if steps >= 1_000 else f"{steps:g}"
        return _text(self.x(steps), HEIGHT - _BOTTOM + 19, name, "label", "middle")

    def mark(self, line: Round) -> str:
        x, y = self.x(line.steps), self.y(line.mean)
        if line.outcome != "rolled back":
            return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        return _cross(x, y)

    def drift(self, steps: float) -> str:
        x = self.x(steps)
        return (
            f'<line class="drift" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" '
            f'y2="{HEIGHT - _BOTTOM}"/>'
            + _text(x + 6, _TOP + 2, "the world changes", "ink", "start")
        )


def _legend(undone: bool) -> str:
    x, y = WIDTH - _RIGHT - 300, 18
    parts = [
        f'<line class="curve" x1="{x}" x2="{x + 22}" y1="{y}" y2="{y}"/>',
        _text(x + 28, y + 4, "agent", "label", "start"),
        f'<line class="best" x1="{x + 80}" x2="{x + 102}" y1="{y}" y2="{y}"/>',
        _text(x + 108, y + 4, "best so far", "label", "start"),
    ]
    if undone:
        parts += [_cross(x + 206, y), _text(x + 217, y + 4, "rolled back", "label", "start")]
    parts.append(_text(WIDTH / 2, HEIGHT - 10, "steps learnt from", "label", "middle"))
    return "".join(parts)


def _cross(x: float, y: float) -> str:
    return (
        f'<path class="undone" d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10">'
        "<title>rolled back</title></path>"
    )


def _text(x: float, y: float, text: str, style: str, anchor: str) -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
