"""What places sound like: the energy in eight octave bands over time, as an idle listener hears it.

A recording is what the sensor `audio` gives, the mean of both ears: 0 for silence, 1 for what is as
loud as can be, on the sensor's own scale.
"""

from __future__ import annotations

import io
import wave
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from als_engine.envs.rows import Rows
from als_engine.seeding import spread
from als_engine.sensors.audio import BAND_CENTERS, LOUD, QUIET
from als_engine.task import LEVELS, Split
from als_engine.world.layout import SOUND_BANDS
from als_plugins.making.examples import Examples
from als_plugins.making.makers import What

__all__ = ["PLACES", "SOUNDS", "STEPS", "bands_of", "like", "recordings", "wav"]

STEPS: Final = 64
"""Of a recording; one is 1/15 second."""
_EACH: Final = 3
"""Recordings of each level, one after the other."""
_HALF: Final = 0.3
"""What is 0 for a maker, on the sensor's scale; 1 is twice that, a source of power 1 at 1 metre."""
_RATE: Final = 24_000
"""Samples of a WAV file in a second: its highest octave ends at 11.3 kHz."""
_STEP_TIME: Final = 1.0 / 15.0

Floats = NDArray[np.float32]


class Place(NamedTuple):
    """A place, and whose listener stands idle in it."""

    name: str
    scenario: str


PLACES: Final = (
    Place("party", "ALS/Gathering-v0"),
    Place("meeting", "ALS/Meeting-v0"),
    Place("ward", "ALS/Ward-v0"),
    Place("street", "ALS/World-v0"),
)


def _as_heard(values: Tensor, rng: np.random.Generator) -> Tensor:
    """Nothing is varied: a sound played backwards, or at another pitch, is another sound."""
    return values


SOUNDS: Final = What((SOUND_BANDS, STEPS), len(PLACES), _as_heard, rate=4e-3)


@cache
def recordings(split: Split, levels: int, physics: str | None = None) -> Examples:
    """Recordings of every place, from the first levels of a split.

    Args:
        split: whose levels and company.
        levels: of each place.
        physics: the engine; by default the scenarios' own.

    Returns:
        (places * levels * 3, 8, STEPS) from -1, which is silence, to 1; the label is the place.
    """
    found, labels = [], []
    for number, place in enumerate(PLACES):
        given: dict[str, Any] = {} if physics is None else {"physics": physics}
        rows = Rows(place.scenario, levels, observers=1, sensors=["audio"], split=split, **given)
        rows.seed(spread("recordings", 0))
        rows.reset([LEVELS[split][level] for level in range(levels)])
        heard = np.empty((_EACH * STEPS, levels, SOUND_BANDS), np.float32)
        still = np.zeros(levels, np.int64)
        for step in range(len(heard)):
            heard[step] = rows.observations["audio"].mean(1)
            rows.step(still)
        rows.close()
        cut = heard.reshape(_EACH, STEPS, levels, SOUND_BANDS).transpose(2, 0, 3, 1)
        found.append((cut.reshape(-1, SOUND_BANDS, STEPS) / _HALF - 1.0).clip(-1.0, 1.0))
        labels.append(np.full(levels * _EACH, number))
    return Examples(np.concatenate(found), np.concatenate(labels))


def bands_of(examples: Examples) -> Floats:
    """(recordings, STEPS, 8) from 0 to 1, as the sensor has them."""
    return ((examples.values + 1.0) * _HALF).transpose(0, 2, 1)


def like(learnt: Examples, labels: NDArray[np.integer], seed: int) -> Examples:
    """A baseline: each band of a place by itself, as an autoregression of one step (AR(1)).

    It has the mean, the spread and the memory of each band, and nothing of how bands go together or
    when sounds begin and end.
    """
    rng = np.random.default_rng(spread("sounds by bands", seed))
    values = np.empty((len(labels), *learnt.values.shape[1:]), np.float32)
    for label in np.unique(labels).tolist():
        known = learnt.values[learnt.labels == label]
        mean, deviation = known.mean((0, 2)), known.std((0, 2))
        apart = known - mean[:, None]
        memory = (apart[..., 1:] * apart[..., :-1]).mean((0, 2)) / np.maximum(deviation**2, 1e-9)
        memory = np.clip(memory, 0.0, 0.999)
        here = labels == label
        noise = rng.standard_normal((int(here.sum()), *known.shape[1:]))
        drawn = np.empty_like(noise)
        drawn[..., 0] = noise[..., 0]
        for step in range(1, drawn.shape[-1]):
            fresh = np.sqrt(1.0 - memory**2) * noise[..., step]
            drawn[..., step] = memory * drawn[..., step - 1] + fresh
        values[here] = mean[:, None] + deviation[:, None] * drawn
    return Examples(values.clip(-1.0, 1.0), np.asarray(labels, np.int64))


def wav(bands: Floats, seed: int) -> bytes:
    """A WAV file to listen to, mono, 16 bits: noise in every octave, as loud as its band.

    Args:
        bands: (steps, 8) from 0 to 1.
        seed: of the noise.
    """
    steps = np.arange(len(bands)) * _STEP_TIME
    times = np.arange(round(len(bands) * _STEP_TIME * _RATE)) / _RATE
    energy = QUIET * np.expm1(bands.astype(np.float64) * np.log1p(LOUD / QUIET))
    noise = np.random.default_rng(spread("noise", seed)).standard_normal(len(times))
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(len(times), 1.0 / _RATE)
    whole = np.zeros(len(times))
    for center, band in zip(BAND_CENTERS, energy.T, strict=True):
        inside = (frequency >= center / np.sqrt(2.0)) & (frequency < center * np.sqrt(2.0))
        octave = np.fft.irfft(np.where(inside, spectrum, 0.0), len(times))
        octave /= max(float(octave.std()), 1e-9)
        whole += np.interp(times, steps, np.sqrt(band)) * octave
    loudest = max(float(np.abs(whole).max()), 1e-9)
    samples = np.rint(whole / loudest * 0.8 * 32_767).astype("<i2")
    with io.BytesIO() as buffer:
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(samples.tobytes())
        return buffer.getvalue()
