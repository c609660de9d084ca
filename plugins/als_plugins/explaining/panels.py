"""The frames of the animation: the world, what the avatar makes of it, and what it chooses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from als_plugins.encoders.stems import Form, form_of
from als_plugins.explaining import drawing
from als_plugins.explaining.drawing import INK, PAGE, RIM, SOFT, TEAL, Canvas, Color, heat_color
from als_plugins.explaining.parts import Thing, things_in, words_in
from als_plugins.explaining.recording import Moment, Recording

__all__ = ["WIDTH", "frames"]

WIDTH: Final = 1120
MARGIN, GAP = 20, 14
HEADER, TITLE = 66, 34
UPPER, LOWER = 244, 206
FOOT: Final = 22
"""Room for a line under a picture."""

_LABELS: Final = {"<told>": "told:", "<heard>": "hears:", "<read>": "reads:"}


@dataclass(frozen=True)
class Panel:
    """A card of the frame.

    Attributes:
        title: above it. width: its share of the row.
        draw: given a canvas and a moment.
    """

    title: str
    width: float
    draw: Callable[[Canvas, Moment], None]


class Artist:
    """Draws the moments of one recording, all on the same scales."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._spaces = recording.decider.observation_space.spaces
        forms = {key: form_of(space) for key, space in self._spaces.items()}
        pictures = sorted((k for k in forms if forms[k] is Form.PICTURE), key=lambda k: k != "rgb")
        self._picture = pictures[0] if pictures else None
        self._words = next((key for key in forms if forms[key] is Form.WORDS), None)
        self._things = "entities" if "entities" in forms else None
        self._scales = {key: self._scale(key) for key in self._spaces}
        self._sight = self._farthest()
        self.sensors = [k for k in self._spaces if any(k in m.weights for m in recording.moments)]
        upper, lower = self._panels()
        self._rows = [(upper, UPPER), (lower, LOWER)]

    @property
    def noun(self) -> str:
        """The title of the animation: attention or saliency."""
        return "Attention" if self._recording.method == "attention" else "Gradient saliency"

    def frame(self, moment: Moment) -> NDArray[np.uint8]:
        """One picture of the animation."""
        height = HEADER + sum(h + TITLE + GAP for _, h in self._rows) + MARGIN - GAP
        page = Canvas(WIDTH, height + height % 2, PAGE)
        self._header(page, moment)
        y = float(HEADER)
        for panels, body in self._rows:
            x, free = float(MARGIN), WIDTH - 2 * MARGIN - GAP * (len(panels) - 1)
            for panel in panels:
                width = int(free * panel.width / sum(p.width for p in panels))
                page.box(x, y, width, TITLE + body, drawing.CARD, RIM, 8)
                page.text(x + 12, y + 23, panel.title, 15, SOFT)
                card = Canvas(width - 24, body - 12)
                panel.draw(card, moment)
                page.image.paste(
                    card.image, (round((x + 12) * page.FINE), round((y + TITLE) * page.FINE))
                )
                x += width + GAP
            y += body + TITLE + GAP
        return page.picture()

    def _panels(self) -> tuple[list[Panel], list[Panel]]:
        attends = self._recording.method == "attention"
        upper = [Panel("The world, from outside", 1.25, self._outside)]
        if self._picture is not None:
            upper.append(Panel("What the avatar sees", 1, self._eyes))
            title = "Attention to it" if attends else "Its gradient"
            upper.append(Panel(title, 1, self._heat))
        if self._things:
            upper.append(Panel("Things around it, from above", 1, self._above))
        lower = [Panel(f"{self.noun} by sensor, in %", 1.4, self._over_time)]
        if self._words:
            lower.insert(0, Panel("What it is told, hears and reads", 1.65, self._text))
        title = "What it chooses among" if self._recording.decider.discrete else "What it does"
        lower.append(Panel(title, 1.1, self._choice))
        return upper, lower

    # -- the cards --------------------------------------------------------------------------------

    def _header(self, page: Canvas, moment: Moment) -> None:
        name, amount = self._chosen(moment)
        page.text(MARGIN, 34, name, 26, INK)
        page.text(MARGIN + page.length(name, 26) + 14, 34, amount, 20, TEAL)
        kind = "" if self._recording.method == "attention" else "  ·  no attention in this encoder"
        level = self._recording.levels[moment.episode]
        page.text(MARGIN, 55, f"{self._recording.scenario}  ·  level {level}{kind}", 14, SOFT)
        right = WIDTH - MARGIN
        facts = (
            ("return", f"{moment.total:+.2f}"),
            ("reward", f"{moment.reward:+.2f}"),
            ("step", str(moment.step)),
        )
        for label, value in facts:
            page.text(right, 34, value, 22, INK, "rs")
            page.text(right, 55, label, 14, SOFT, "rs")
            right -= 110

    def _chosen(self, moment: Moment) -> tuple[str, str]:
        name, number = self._recording.actions[moment.target], moment.numbers[moment.target]
        if self._recording.decider.quantity == "log-probability":
            return name, f"{math.exp(number):.0%} likely"
        if self._recording.decider.discrete:
            return name, f"Q value {number:.2f}"
        return name, f"{number:+.2f}"

    def _outside(self, card: Canvas, moment: Moment) -> None:
        picture = Image.fromarray(moment.outside)
        factor = max(card.width / picture.width, card.height / picture.height)
        large = picture.resize(
            (math.ceil(picture.width * factor), math.ceil(picture.height * factor)),
            Image.Resampling.LANCZOS,
        )
        left, top = (large.width - card.width) // 2, (large.height - card.height) // 2
        part = large.crop((left, top, left + card.width, top + card.height))
        card.paste(np.asarray(part), 0, 0)

    def _seen(self, moment: Moment) -> NDArray[np.uint8]:
        assert self._picture is not None
        space: Any = self._spaces[self._picture]
        return drawing.as_rgb(moment.observation[self._picture], float(space.high.max()))

    def _eyes(self, card: Canvas, moment: Moment) -> None:
        seen = self._seen(moment)
        picture = drawing.enlarged(seen, card.width, card.height - FOOT)
        left = (card.width - picture.shape[1]) / 2
        card.paste(picture, left, 0)
        size = f"{self._picture}, {seen.shape[1]} x {seen.shape[0]} pixels"
        card.text(left, card.height - 3, size, 13, SOFT)

    def _heat(self, card: Canvas, moment: Moment) -> None:
        assert self._picture is not None
        picture = drawing.enlarged(self._seen(moment), card.width, card.height - FOOT)
        height, width = picture.shape[:2]
        weights = moment.weights.get(self._picture, np.zeros(1))
        weights = _as_map(weights, self._spaces[self._picture])
        warm = drawing.relief(self._warmth(self._picture, weights), height, width)
        left = (card.width - width) / 2
        card.paste(drawing.overlay(picture, warm), left, 0)
        y, steps = card.height - 13, 24
        even, top = self._scales[self._picture]
        most = f"{top / even:.1f} times" if even else ""
        card.text(left, card.height - 3, "even", 13, SOFT)
        card.text(left + width, card.height - 3, most, 13, SOFT, "rs")
        bar = (left + 38, left + width - card.length(most, 13) - 8)
        for i in range(steps):
            x = bar[0] + (bar[1] - bar[0]) * i / steps
            card.box(x, y, (bar[1] - bar[0]) / steps, 12, heat_color(0.1 + 0.9 * i / (steps - 1)))

    def _above(self, card: Canvas, moment: Moment) -> None:
        assert self._things is not None
        middle = (card.width / 2, card.height / 2)
        scale = (card.height / 2 - 6) / self._sight
        for metres in range(2, math.floor(self._sight) + 1, 2):
            card.dot(*middle, metres * scale, None, RIM)
            card.text(middle[0], middle[1] + metres * scale - 4, f"{metres} m", 12, SOFT, "ms")
        things = things_in(moment.observation[self._things])
        weights = moment.weights.get(self._things, np.zeros(0))
        found = [(thing, self._weight(weights, thing.row)) for thing in things]
        found.sort(key=lambda pair: -pair[1])
        places = []
        for thing, weight in found:
            x, y = middle[0] - thing.left * scale, middle[1] - thing.forward * scale
            places.append((x, y))
            _mark(card, thing, x, y, 3.5 + 10 * weight)
        even, top = self._scales[self._things]
        for (thing, weight), (x, y) in list(zip(found, places, strict=True))[:2]:
            if weight > 1.2 * even / top:
                wide = card.length(thing.kind, 13)
                x = min(max(x - wide / 2, 1), card.width - wide - 1)
                card.text(x, y - 17 if y > 40 else y + 28, thing.kind, 13, INK, halo=drawing.CARD)
        x, y = middle
        card.shape([(x, y - 9), (x + 6, y + 6), (x, y + 2), (x - 6, y + 6)], TEAL, TEAL)

    def _weight(self, weights: NDArray[np.float64], row: int) -> float:
        """Of a thing, on the recording's scale; 0 where there is none for each thing."""
        assert self._things is not None
        if row >= weights.size:
            return 0.0
        return min(float(weights[row]) / self._scales[self._things][1], 1.0)

    def _text(self, card: Canvas, moment: Moment) -> None:
        assert self._words is not None
        tokens = moment.observation[self._words]
        weights = moment.weights.get(self._words, np.zeros(0))
        if weights.size != tokens.size:
            weights = np.zeros(tokens.size)
        warm = self._warmth(self._words, weights)
        x, y, line = 0.0, 18.0, 28.0
        for word in words_in(tokens):
            text = _LABELS.get(word.text, word.text)
            label = word.text in _LABELS
            if label and x > 0:
                x, y = 0.0, y + line + 4
            wide = card.length(text, 17) + 8
            if x + wide > card.width:
                x, y = 0.0, y + line
            if y > card.height - 4:
                card.text(card.width, card.height - 2, "...", 17, SOFT, "rs")
                return
            # A word of several tokens is as warm as the warmest of them.
            weight = float(warm[list(word.places)].max())
            card.box(x, y - 17, wide, 23, _tint(weight), round_by=4)
            card.text(x + 4, y, text, 17, SOFT if label and weight < 0.5 else INK)
            x += wide + 2
        if y == 18.0 and x == 0.0:
            card.text(0, 18, "nothing", 17, SOFT)

    def _over_time(self, card: Canvas, moment: Moment) -> None:
        moments = [m for m in self._recording.moments if m.episode == moment.episode]
        legend, foot = 164, 20
        width, height = card.width - legend, card.height - foot
        slot = width / len(moments)
        for m in moments[: moment.step + 1]:
            y, x = float(height), m.step * slot
            for key in self.sensors:
                share = float(m.weights[key].sum()) if key in m.weights else 0.0
                tall = share * height
                card.box(x, y - tall, max(slot - 1, 0.5), tall, self._color(key))
                y -= tall
        for y in (0, height / 2, height):
            card.line([(0, y), (width, y)], RIM)
        card.text(0, card.height - 3, "step 0", 13, SOFT)
        card.text(width, card.height - 3, str(len(moments) - 1), 13, SOFT, "rs")
        for i, key in enumerate(reversed(self.sensors)):
            y = 16 + 24 * i
            share = float(moment.weights[key].sum()) if key in moment.weights else 0.0
            card.box(width + 12, y - 11, 12, 12, self._color(key), round_by=2)
            name = key if card.length(key, 14) < 104 else key[:11] + "..."
            card.text(width + 29, y, name, 14, INK)
            card.text(card.width, y, f"{100 * share:.0f}", 14, INK, "rs")

    def _color(self, key: str) -> Color:
        colors = drawing.SENSOR_COLORS
        return colors[self.sensors.index(key) % len(colors)]

    def _choice(self, card: Canvas, moment: Moment) -> None:
        discrete, numbers = self._recording.decider.discrete, moment.numbers
        likely = self._recording.decider.quantity == "log-probability"
        shown = np.exp(numbers) if likely else numbers
        order = list(np.argsort(-shown if discrete else -np.abs(shown), kind="stable")[:5])
        if moment.target not in order:
            order[-1] = moment.target
        low = 0.0 if likely or not discrete else float(shown.min())
        top = max(float(np.abs(shown[order] - low).max()), 1e-9)
        pitch = card.height / 5
        for row, index in enumerate(order):
            y, mine = row * pitch, index == moment.target
            value = f"{shown[index]:.0%}" if likely else f"{shown[index]:+.2f}"
            card.text(0, y + 14, self._recording.actions[index], 15, INK if mine else SOFT)
            card.text(card.width, y + 14, value, 15, INK if mine else SOFT, "rs")
            card.box(0, y + 20, card.width, 9, RIM, round_by=4)
            wide = max(abs(shown[index] - low) / top * card.width, 6)
            card.box(0, y + 20, wide, 9, TEAL if mine else (170, 178, 186), round_by=4)

    # -- scales -----------------------------------------------------------------------------------

    def _scale(self, key: str) -> tuple[float, float]:
        """The even share of a part, where colour begins, and the weight that is drawn in full.

        Of all parts that are there in the recording: their mean, and what hardly any exceeds, but
        at least twice the mean, so that what is spread evenly looks even.
        """
        moments, space = self._recording.moments, self._spaces[key]
        found = [_as_map(m.weights[key], space).ravel() for m in moments if key in m.weights]
        weights = np.concatenate([*found, np.zeros(0)])
        weights = weights[weights > 0]
        if not weights.size:
            return 0.0, 1.0
        even = float(weights.mean())
        return even, max(float(np.percentile(weights, 99.5)), 2 * even)

    def _warmth(self, key: str, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """0 for at most an even share, 1 for what is drawn in full."""
        even, top = self._scales[key]
        warm: NDArray[np.float64] = np.clip((weights - even) / (top - even), 0, 1)
        return warm

    def _farthest(self) -> float:
        if not self._things:
            return 0.0
        found = [
            math.hypot(thing.forward, thing.left)
            for moment in self._recording.moments
            for thing in things_in(moment.observation[self._things])
        ]
        return min(max(4.0, *found, 4.0) + 0.3, 12.0)


def frames(recording: Recording) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a recording's animation; each episode's last one stands still for a while."""
    artist = Artist(recording)
    moments: Sequence[Moment] = recording.moments
    for moment, following in pairwise((*moments, None)):
        assert moment is not None
        picture = artist.frame(moment)
        ends = following is None or following.episode != moment.episode
        for _ in range(8 if ends else 1):
            yield picture


def _as_map(weights: NDArray[np.float64], space: Any) -> NDArray[np.float64]:
    """Weights of single pixels as a map that can be seen: the mean over 4 x 4 of them."""
    height, width = (*space.shape, 1)[:2]
    single = form_of(space) is Form.PICTURE and weights.size == height * width
    if not single or height % 4 or width % 4:
        return weights
    coarse: NDArray[np.float64] = weights.reshape(height // 4, 4, width // 4, 4).mean(axis=(1, 3))
    return coarse


def _mark(card: Canvas, thing: Thing, x: float, y: float, radius: float) -> None:
    """A thing seen from above: signs are squares, sounds stand on a corner, all else is round."""
    color = drawing.vivid(thing.color)
    r = radius * 0.9
    if thing.kind == "sign":
        card.shape([(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)], color, INK)
    elif thing.kind == "sound":
        card.shape([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], color, INK)
    else:
        card.dot(x, y, radius, color, INK)


def _tint(weight: float) -> Color:
    """Behind a word: white at 0, and never so dark that ink is hard to read on it."""
    strength = weight**0.8
    red, green, blue = (round(255 + (c - 255) * strength) for c in heat_color(0.2 + 0.45 * weight))
    return red, green, blue
