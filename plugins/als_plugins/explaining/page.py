"""The page about an agent's decisions: one file, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from als_engine.agents.saving import versions
from als_engine.reports.chart import with_minus
from als_engine.reports.pages import Pages, fixed, percent
from als_engine.reports.style import STYLE
from als_plugins.encoders.stems import Form, form_of
from als_plugins.explaining import drawing
from als_plugins.explaining.attributions import BASELINE
from als_plugins.explaining.charts import deletion_chart
from als_plugins.explaining.checks import SHUFFLES, combined
from als_plugins.explaining.parts import SQUARES

if TYPE_CHECKING:
    from als_plugins.explaining.attributions import Attribution
    from als_plugins.explaining.checks import Deletion
    from als_plugins.explaining.recording import Moment, Recording
    from als_plugins.explaining.whatif import WhatIf

__all__ = ["Decision", "render", "signed"]

STRONGEST: Final = 10
FULL_COLOR: Final = 0.1
"""The share of a decision from which on a picture's map is drawn in full colours."""

BEATEN, RESEMBLES = 0.75, 0.5
"""From where on the tests are passed: random removals that cost less, and rank correlation."""


@dataclass(frozen=True)
class Decision:
    """One decision, and whether what is said about it can be believed.

    Attributes:
        moment: when. attribution: what it hangs on.
        deletion, resemblance: see `als_plugins.explaining.checks`.
        edits: what it would do if the world were another.
    """

    moment: Moment
    attribution: Attribution
    deletion: Deletion
    resemblance: NDArray[np.float64]
    edits: WhatIf


def render(
    recording: Recording, decisions: Sequence[Decision], film: bytes, name: str, command: str
) -> str:
    """The page as text.

    Args:
        recording: what was played.
        decisions: what was asked about.
        film: the animation, an MP4.
        name: of the agent.
        command: what makes the page again.
    """
    deletion = combined([each.deletion for each in decisions])
    beaten = float(np.mean([each.deletion.beaten for each in decisions]))
    resemblance = float(np.mean([each.resemblance.mean() for each in decisions]))
    flat = sum(each.attribution.flat for each in decisions)
    return _PAGES.render(
        "explanation.html",
        title="Why it does what it does",
        verdict=_verdict(beaten, resemblance, flat, len(decisions)),
        good=beaten >= BEATEN and resemblance <= RESEMBLES and not flat,
        film=base64.b64encode(film).decode(),
        legend=_ATTENTION if recording.method == "attention" else _GRADIENT,
        quantity=_QUANTITIES[recording.decider.quantity],
        baseline=BASELINE,
        decisions=[_decision(recording, each) for each in decisions],
        deletion=deletion_chart(deletion),
        beaten=beaten,
        shuffles=SHUFFLES,
        reasons=_reasons(decisions),
        command=command,
        facts=[("agent", name), *_played(recording)],
        versions=versions().items(),
    )


def _verdict(beaten: float, resemblance: float, flat: int, asked: int) -> str:
    if flat:
        return (
            f"In {flat} of {asked} decisions hardly anything that is sensed makes a difference: "
            "this agent would have done the same whatever it saw, and there is nothing to explain."
        )
    removed = (
        "Taking away what is said to matter costs the chosen action more than "
        f"{beaten:.0%} of as large random removals. "
    )
    shuffled = (
        f"With shuffled weights the explanations resemble these with a rank correlation of "
        f"{resemblance:.2f}. "
    )
    if beaten >= BEATEN and resemblance <= RESEMBLES:
        judgement = "Both are as they should be: the explanations are about this network."
    elif beaten >= BEATEN:
        judgement = "That is much: in part they show the observation, whatever the network."
    else:
        judgement = "That is not enough: read the explanations below with doubt."
    return with_minus(removed + shuffled + judgement)


def _reasons(decisions: Sequence[Decision]) -> str:
    """Whether what is named first is what changes most when it is really taken away."""
    asked = [each.edits for each in decisions if each.edits.first_is_first is not None]
    if not asked:
        return "There is too little in these observations that could be taken away."
    first = sum(bool(each.first_is_first) for each in asked)
    agreement = float(np.mean([each.agreement or 0.0 for each in asked]))
    return with_minus(
        f"In {first} of {len(asked)} decisions the reason that is named first is also what "
        "changes the number most when it is really taken away; the rank correlation of reasons "
        f"and effects is {agreement:.2f}."
    )


def _decision(recording: Recording, decision: Decision) -> dict[str, Any]:
    """What the template calls by name."""
    moment, found = decision.moment, decision.attribution
    number = moment.numbers[moment.target]
    likely = recording.decider.quantity == "log-probability"
    strongest = found.strongest(STRONGEST)
    top = max((abs(amount) for _, amount in strongest), default=1.0) or 1.0
    return {
        "step": moment.step,
        "title": f"Step {moment.step}: {recording.actions[moment.target]}",
        "amount": f"{math.exp(number):.0%} likely" if likely else with_minus(f"{number:+.2f}"),
        "attribution": found,
        "pictures": [(_png(picture), said) for picture, said in _pictures(recording, decision)],
        "shares": _shares(decision),
        "strongest": [(part, amount, 0.5 * abs(amount) / top) for part, amount in strongest],
        "missed": abs(found.delta) / max(abs(found.value - found.baseline), 1e-12),
        "resemblance": decision.resemblance,
        "beaten": decision.deletion.beaten,
        "edits": list(_edits(recording, decision)),
        "agreement": decision.edits.agreement,
    }


def _edits(
    recording: Recording, decision: Decision
) -> Iterator[tuple[str, str, float, float, str]]:
    """What changes most: the edit, its sensor, the change, the reason given, the action."""
    found, moment = decision.edits, decision.moment
    for index, edit in enumerate(found.edits[:STRONGEST]):
        action = recording.actions[int(found.actions[index])]
        then = "the same" if found.actions[index] == moment.target else action
        yield edit.name, edit.sensor, float(found.changes[index]), float(found.given[index]), then


def _pictures(recording: Recording, decision: Decision) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """What was seen, and beside it what in it speaks for the action and against it; captions."""
    spaces: Any = recording.decider.observation_space
    found, seen = decision.attribution, decision.moment.observation
    pictures = [key for key, x in seen.items() if form_of(spaces[key]) is Form.PICTURE]
    if not pictures:
        yield decision.moment.outside, "the world, from outside"
    for key in pictures:
        picture = drawing.as_rgb(seen[key], float(spaces[key].high.max()))
        large = drawing.enlarged(picture, 384, 288)
        yield large, f"{key}, as it was seen"
        if key in found.shares:
            # A picture that hardly counts stays hardly coloured, whatever its strongest square is.
            faint = min(1.0, found.shares[key] / FULL_COLOR)
            warm = drawing.relief(faint * _squares(found, key), *large.shape[:2])
            caption = f"{found.shares[key]:.0%} of the decision: orange for it, blue against"
            yield drawing.signed_overlay(large, warm), caption


def _squares(found: Attribution, key: str) -> NDArray[np.float64]:
    """The amounts of a picture's squares, (rows, columns), the largest of them 1 or -1."""
    amounts = found.maps[key]
    rows, columns = (np.arange(side) * SQUARES // side for side in amounts.shape)
    squares = np.zeros((SQUARES, SQUARES))
    np.add.at(squares, (rows[:, None], columns[None, :]), amounts)
    return squares / (np.abs(squares).max() or 1.0)


def signed(amount: float) -> str:
    """With two digits that mean something; what is next to nothing says so."""
    return "≈ 0" if abs(amount) < 5e-4 else with_minus(f"{amount:+.2g}")


def _shares(decision: Decision) -> list[tuple[str, float, float, float, float]]:
    """For each sensor: its share, the length of its bar, what is lost without it, its attention."""
    found = decision.attribution
    top = max(found.shares.values(), default=1.0) or 1.0
    attention = {key: float(w.sum()) for key, w in decision.moment.weights.items()}
    return [
        (key, share, share / top, -found.without[key], attention.get(key, 0.0))
        for key, share in found.shares.items()
    ]


def _png(picture: NDArray[np.uint8]) -> str:
    """As base64."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _played(recording: Recording) -> list[tuple[str, str]]:
    return [
        ("scenario", recording.scenario),
        ("levels", ", ".join(map(str, recording.levels))),
        ("steps", str(len(recording.moments))),
        ("return", fixed(float(np.mean(recording.returns)))),
        ("success", percent(float(np.mean(recording.successes)))),
        ("encoder", type(recording.decider.encoder).__name__),
        ("sensors", ", ".join(recording.decider.observation_space.spaces)),
    ]


_QUANTITIES: Final = {
    "log-probability": "log-probability of the action that was chosen",
    "Q value": "Q value of the action that was chosen: the return that it promises",
    "action": "value of the action's axis that was moved most; beyond ±1 it acts like ±1",
}
_ATTENTION: Final = (
    "What the encoder's attention weighs, over all its layers; at each step everything together is "
    "100 %. Attention says where the encoder reads, not yet what the action hangs on: that is what "
    "the decisions below are about."
)
_GRADIENT: Final = (
    "This encoder has no attention. Shown instead is how steeply the chosen action's number "
    "depends on each input (the size of the gradient times half the input's range, by captum); at "
    "each step everything together is 100 %."
)

_STYLE: Final = """
.film video { display: block; width: 100%; height: auto; }
.seen { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; }
.seen figure { margin: 0; } .seen img { width: 100%; display: block; border-radius: 6px; }
.seen figcaption { margin-top: 6px; }
.card table + .note, .seen + table { margin-top: 16px; }
.whatif { margin-top: 20px; }
h2 b { margin-left: 8px; color: var(--trained); font-weight: 600; }
h3 { margin: 0 0 8px; font-size: 16px; }
td.meter { width: 34%; } .meter i, .sides i { display: block; height: 10px; border-radius: 5px; }
.meter i { background: var(--trained); min-width: 3px; }
td.sides { width: 40%; background: linear-gradient(var(--rim), var(--rim)) center / 1px 100%
  no-repeat; }
.sides i.for { margin-left: 50%; background: #d55e00; }
.sides i.against { margin-left: auto; margin-right: 50%; background: #2a86c4; }
.parts th { white-space: normal; overflow-wrap: anywhere; }
.parts th small { display: block; color: var(--soft); font-weight: 400; font-size: 13px;
  line-height: 1.3; }
.parts th, .parts td { padding-top: 6px; padding-bottom: 6px; }
"""

_PAGES: Final = Pages(__package__, STYLE + _STYLE, signed=signed)
