"""The page about an agent's decisions: one file, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from als_engine.agents.saving import versions
from als_engine.reports.chart import with_minus
from als_engine.reports.style import STYLE
from als_engine.texts import escape
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
    """

    moment: Moment
    attribution: Attribution
    deletion: Deletion
    resemblance: NDArray[np.float64]


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
    good = beaten >= BEATEN and resemblance <= RESEMBLES and not flat
    attends = recording.method == "attention"
    return _PAGE.substitute(
        style=STYLE + _STYLE,
        title="Why it does what it does",
        verdict=escape(_verdict(beaten, resemblance, flat, len(decisions))),
        mood="won" if good else "lost",
        film=base64.b64encode(film).decode(),
        legend=escape(_ATTENTION if attends else _GRADIENT),
        quantity=escape(_QUANTITIES[recording.decider.quantity]),
        baseline=escape(BASELINE),
        decisions="".join(_decision(recording, each) for each in decisions),
        deletion=deletion_chart(deletion),
        beaten=f"{beaten:.0%}",
        shuffles=SHUFFLES,
        resemblance=_resemblance(decisions),
        command=escape(command),
        facts=_facts({"agent": name, **_played(recording)}),
        versions=_facts(versions()),
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


def _decision(recording: Recording, decision: Decision) -> str:
    moment, found = decision.moment, decision.attribution
    name = recording.actions[moment.target]
    number = moment.numbers[moment.target]
    likely = recording.decider.quantity == "log-probability"
    amount = f"{math.exp(number):.0%} likely" if likely else f"{number:+.2f}"
    missed = abs(found.delta) / max(abs(found.value - found.baseline), 1e-12)
    held = f" Not followed, as gradients do not reach it: {', '.join(found.held)}." * bool(
        found.held
    )
    return _DECISION.substitute(
        title=escape(f"Step {moment.step}: {name}"),
        amount=with_minus(amount),
        pictures="".join(_pictures(recording, decision)),
        shares="".join(_shares(decision)),
        strongest="".join(_strongest(decision)),
        value=with_minus(f"{found.value:.3f}"),
        base=with_minus(f"{found.baseline:.3f}"),
        total=signed(float(found.amounts.sum())),
        delta=signed(found.delta),
        missed=f"{missed:.1%}",
        held=escape(held),
        flat="<b>Hardly anything that is sensed moves this number.</b> " if found.flat else "",
    )


def _pictures(recording: Recording, decision: Decision) -> Iterable[str]:
    """What was seen, and beside it what in it speaks for the action and against it."""
    spaces: Any = recording.decider.observation_space
    found, seen = decision.attribution, decision.moment.observation
    pictures = [key for key, x in seen.items() if form_of(spaces[key]) is Form.PICTURE]
    if not pictures:
        yield _figure(decision.moment.outside, "the world, from outside")
    for key in pictures:
        picture = drawing.as_rgb(seen[key], float(spaces[key].high.max()))
        large = drawing.enlarged(picture, 384, 288)
        yield _figure(large, f"{key}, as it was seen")
        if key in found.shares:
            # A picture that hardly counts stays hardly coloured, whatever its strongest square is.
            faint = min(1.0, found.shares[key] / FULL_COLOR)
            warm = drawing.relief(faint * _squares(found, key), *large.shape[:2])
            caption = f"{found.shares[key]:.0%} of the decision: orange for it, blue against"
            yield _figure(drawing.signed_overlay(large, warm), caption)


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


def _figure(picture: NDArray[np.uint8], caption: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _shares(decision: Decision) -> Iterable[str]:
    found = decision.attribution
    top = max(found.shares.values(), default=1.0) or 1.0
    attention = {key: float(w.sum()) for key, w in decision.moment.weights.items()}
    for key, share in found.shares.items():
        yield (
            f'<tr><th scope="row">{escape(key)}</th>'
            f'<td class="meter"><i style="width:{100 * share / top:.1f}%"></i></td>'
            f"<td>{share:.0%}</td><td>{signed(-found.without[key])}</td>"
            f"<td>{attention.get(key, 0.0):.0%}</td></tr>"
        )


def _strongest(decision: Decision) -> Iterable[str]:
    rows = decision.attribution.strongest(STRONGEST)
    top = max((abs(amount) for _, amount in rows), default=1.0) or 1.0
    for part, amount in rows:
        side = "for" if amount > 0 else "against"
        yield (
            f'<tr><th scope="row">{escape(part.name)}<small>{escape(part.sensor)}</small></th>'
            f'<td class="sides"><i class="{side}" style="width:{50 * abs(amount) / top:.1f}%"></i>'
            f"</td><td>{signed(amount)}</td></tr>"
        )


def _resemblance(decisions: Sequence[Decision]) -> str:
    return "".join(
        f'<tr><th scope="row">step {each.moment.step}</th>'
        f"<td>{with_minus(f'{each.resemblance.mean():.2f}')}</td>"
        f"<td>{with_minus(f'{each.resemblance.min():.2f} to {each.resemblance.max():.2f}')}</td>"
        f"<td>{each.deletion.beaten:.0%}</td></tr>"
        for each in decisions
    )


def _played(recording: Recording) -> dict[str, str]:
    return {
        "scenario": recording.scenario,
        "levels": ", ".join(map(str, recording.levels)),
        "steps": str(len(recording.moments)),
        "return": with_minus(f"{np.mean(recording.returns):.2f}"),
        "success": f"{np.mean(recording.successes):.0%}",
        "encoder": type(recording.decider.encoder).__name__,
        "sensors": ", ".join(recording.decider.observation_space.spaces),
    }


def _facts(facts: dict[str, str]) -> str:
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )


_QUANTITIES: Final = {
    "log-probability": "log-probability of the action that was chosen",
    "Q value": "Q value of the action that was chosen: the return that it promises",
    "action": "value of the action's axis that was moved most, from −1 to 1",
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

_DECISION: Final = Template("""
<section>
<h2>$title<b>$amount</b></h2>
<div class="pair">
<div class="card"><div class="seen">$pictures</div>
<div class="scroll"><table><thead><tr><th scope="col">sensor</th><th scope="col"></th>
<th scope="col">share</th><th scope="col">without</th><th scope="col">looked at</th></tr></thead>
<tbody>$shares</tbody></table></div>
<p class="note">Share: of all that speaks for the action or against it. Without: how the number
changes when that sensor alone is at its baseline. Looked at: its share in the film.</p></div>
<div class="card"><h3>What speaks for it, and what against</h3>
<table class="parts"><tbody>$strongest</tbody></table>
<p class="note">${flat}The number is $value as seen and $base at the baseline. All parts sum to
$total, which misses the difference by $delta ($missed).$held</p></div>
</div>
</section>
""")

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<p class="over">ALS Engine</p>
<h1>$title</h1>
<p class="verdict $mood">$verdict</p>
</header>
<main>
<section>
<figure class="card film"><video src="data:video/mp4;base64,$film" autoplay muted loop controls
playsinline></video><figcaption>$legend</figcaption></figure>
</section>
<section>
<h2>What its decisions hang on</h2>
<p>Integrated gradients (Sundararajan et al. 2017) divide a number among the parts of the
observation. The number is the $quantity. $baseline The decisions are the surest of each stretch
of the first episode.</p>
</section>
$decisions
<section>
<h2>Can this be believed?</h2>
<p>Two tests that wrong explanations fail.</p>
<div class="pair">
<figure class="card"><h3>Taking parts away</h3>$deletion
<figcaption>How far the number falls, mean over the decisions, when the parts that speak most for
the action are put to their baselines, and when as many random ones are (band: 90&nbsp;% of the
draws). $beaten of the random removals cost less.</figcaption></figure>
<div class="card"><h3>Shuffling the weights</h3>
<div class="scroll"><table><thead><tr><th scope="col">decision</th>
<th scope="col">resemblance</th><th scope="col">range</th><th scope="col">beats random</th></tr>
</thead><tbody>$resemblance</tbody></table></div>
<p class="note">Resemblance: Spearman's rank correlation between the sizes of each sensor's parts
here and with the network's weights shuffled, $shuffles times (Adebayo et al. 2018). At 1 the
explanation would show the observation and not the network; some of it stays, since large inputs
have large amounts in any network.</p></div>
</div>
</section>
<section>
<h2>Make it again</h2>
<pre class="card"><code>$command</code></pre>
<div class="pair"><dl class="card">$facts</dl><dl class="card">$versions</dl></div>
</section>
</main>
</body>
</html>
""")
