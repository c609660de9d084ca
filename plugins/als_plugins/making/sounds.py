"""What places sound like: the energy in eight octave bands over time, as an idle listener hears it.

A recording is what the sensor `audio` gives, the mean of both ears: 0 for silence, 1 for what is as
loud as can be, on the sensor's own scale. Sources are on or off, so that a spectrum stays for a
while and then jumps to another. A maker therefore knows some spectra by number, and learns which
comes next as it would learn words: van den Oord et al. (2017), "Neural discrete representation
learning", with k-means in place of the encoder.
"""

from __future__ import annotations

import io
import wave
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from als_engine.envs.rows import Rows
from als_engine.limits import EPISODES, MAX_SEED
from als_engine.limits import STEPS as MAX_STEPS
from als_engine.models import Model, Name
from als_engine.seeding import spread
from als_engine.sensors.audio import BAND_CENTERS, LOUD, QUIET
from als_engine.task import LEVELS, Split
from als_engine.world.layout import SOUND_BANDS
from als_plugins.making.examples import Examples
from als_plugins.making.words import MODELS, ModelName

__all__ = ["PLACES", "STEPS", "SoundMaker", "SoundsRecord", "like", "recordings", "wav"]

STEPS: Final = 64
"""Of a recording; one is 1/15 second."""
_EACH: Final = 3
"""Recordings of each level, one after the other."""
SPECTRA: Final = 32
"""That are told apart in each place."""
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


class SoundMaker:
    """Makes sounds of places.

    Attributes:
        spectra: (SPECTRA or fewer, 8) of each place.
        model: of which spectrum comes next.
    """

    spectra: list[Floats]

    def __init__(self, kind: ModelName = "gru") -> None:
        """Makes one that has learnt nothing.

        Args:
            kind: of `words.MODELS`, "gru" or "bigram".
        """
        self.model = MODELS[kind](len(PLACES) * (SPECTRA + 1))

    def learn(self, recorded: Examples, seed: int, **how: Any) -> None:
        """Learns spectra, and which comes next.

        Args:
            recorded: as `recordings` has them, of every place.
            seed: of both.
            **how: of `words.Gru.learn`: steps, should_stop, on_step.

        Raises:
            KeyboardInterrupt: it was told to stop.
        """
        from sklearn.cluster import KMeans

        self.spectra, talks = [], []
        for place in range(len(PLACES)):
            some = recorded.values[recorded.labels == place].transpose(0, 2, 1)
            moments = some.reshape(-1, SOUND_BANDS)
            count = min(SPECTRA, len(np.unique(moments, axis=0)))
            found = KMeans(count, n_init=1, random_state=spread("spectra", seed) % (1 << 32))
            numbers = found.fit_predict(moments).reshape(len(some), -1) + place * SPECTRA
            self.spectra.append(np.clip(found.cluster_centers_, 0.0, 1.0).astype(np.float32))
            begun = np.full((len(some), 1), _begin(place))
            talks += [*np.concatenate([begun, numbers], 1)]
        self.model.learn(talks, seed=seed, **how)

    def make(self, labels: NDArray[np.integer], seed: int) -> Examples:
        """Sounds of some places, each with the place's number as its label."""
        values = np.empty((len(labels), SOUND_BANDS, STEPS), np.float32)
        for number, place in enumerate(labels.tolist()):
            rng = np.random.default_rng(spread("made sounds", seed, number))
            spectra, first = self.spectra[place], place * SPECTRA
            word, state = _begin(place), None
            for step in range(STEPS):
                likely, state = self.model.step(state, word)
                chances = np.exp(likely[first : first + len(spectra)])
                chosen = int(rng.choice(len(spectra), p=chances / chances.sum()))
                values[number, :, step], word = spectra[chosen], first + chosen
        return Examples(values, np.asarray(labels, np.int64))


def _begin(place: int) -> int:
    return len(PLACES) * SPECTRA + place


class SoundsRecord(Model):
    """Schema of `sounds.json`.

    Attributes:
        format: the version of this format.
        places: the names that `places` in `sounds.safetensors` counts.
        levels: of each place, that it has learnt from.
        steps: gradient steps. seed: of everything.
    """

    format: Literal[1] = 1
    places: list[Name] = Field(default_factory=lambda: [place.name for place in PLACES])
    levels: Annotated[int, Field(ge=1, le=EPISODES)]
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]


@cache
def recordings(split: Split, levels: int, physics: str | None = None) -> Examples:
    """Recordings of every place, from the first levels of a split.

    Args:
        split: whose levels and company.
        levels: of each place.
        physics: the engine; by default the scenarios' own.

    Returns:
        (places * levels * 3, 8, STEPS) from 0, which is silence, to 1; the label is the place.
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
        found.append(cut.reshape(-1, SOUND_BANDS, STEPS))
        labels.append(np.full(levels * _EACH, number))
    return Examples(np.concatenate(found), np.concatenate(labels))


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
    return Examples(values.clip(0.0, 1.0), np.asarray(labels, np.int64))


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
