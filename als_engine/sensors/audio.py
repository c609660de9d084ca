"""Hearing with two ears: how much of what sounds in the world arrives, by frequency band."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.sight import EYE_HEIGHT, WallRows, crossings, gather_walls, new_boxes
from als_engine.sensors.base import Setup, WorldwiseSensor
from als_engine.system.compiling import inner, kernel
from als_engine.world.layout import SOUND_BANDS

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.state import WorldState

BAND_CENTERS: Final = np.ldexp(62.5, np.arange(SOUND_BANDS))  # hertz
FOOTSTEPS: Final = 0.05 * np.array([0.5, 1.0, 0.6, 0.3, 0.1, 0.05, 0.0, 0.0])  # per metre a second
BUMP: Final = 0.5 * np.array([1.0, 1.0, 0.8, 0.5, 0.3, 0.1, 0.05, 0.0])
STILL: Final = 0.05  # metres per second below which feet are silent
VOICE_RANGE: Final = 10.0  # metres
OWN: Final = 0.05  # what reaches an avatar's ears of its own steps, bumps and voice
NEAREST: Final = 0.5  # metres; what is nearer is not louder
QUIET: Final = 1e-3  # energy up to which hearing is in proportion; beyond, it is logarithmic
LOUD: Final = 100.0  # energy that is heard as 1

_VOICE_BANDS = (2, 3, 4, 5, 6)
_MOST_WALLS = 3
_ANGLES = 64
_SCALE = 1.0 / float(pmath.log(1.0 + LOUD / QUIET))


class Audio(WorldwiseSensor):
    """Energy per ear and octave band, float32 (2, 8): left and right ear, 62.5 Hz to 8 kHz.

    A value is log(1 + e / 0.001) / log(1 + 100 / 0.001) for an energy e, at most 1; silence is 0
    and a source of power 1 at one metre about 0.6. Heard are sound sources that are on, the
    footsteps of others (in proportion to their speed), bumps, and what others say within 10 m: each
    utterance has a spectrum of its own. An avatar's own sounds reach it at a twentieth.

    Energy falls with the square of the distance. The head shades the far ear, the more the higher
    the frequency: the one-pole, one-zero model of a spherical head of Brown and Duda (1998), "A
    structural model for binaural sound synthesis", IEEE Transactions on Speech and Audio Processing
    6(5), equations 3 and 4. High bands are up to 3 dB weaker from behind, a coarse stand-in for the
    pinna. Every wall on the way (three at most count) lets 1 / (1 + (f / 250 Hz)^2) through, the
    6 dB per octave of the mass law for partitions. There is no echo.
    """

    provides: ClassVar[tuple[str, ...]] = ("audio",)

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        """Works out what each utterance sounds like."""
        super().__init__(setup, enabled)
        self._voices = voices(len(setup.utterances))

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        return {"audio": gymnasium.spaces.Box(0.0, 1.0, (2, SOUND_BANDS), np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `audio`, (worlds, observers, 2, 8), of some worlds."""
        avatars, sounds = state.avatars, state.sounds
        _fill(
            worlds,
            (
                avatars.position, avatars.velocity, avatars.heading, avatars.utterance,
                state.events.bumped, state.bodies.height, avatars.present,
            ),
            self._voices,
            (sounds.position, sounds.bands, sounds.on),
            state.walls.rows(),
            out["audio"],
        )  # fmt: skip


def voices(num_utterances: int) -> FloatArray:
    """The spectra of utterances, (at least 1, 8), each of power 1.

    Every utterance is loud in a set of its own among the five bands of the voice; after 31 of them
    the sets come again, with ever less difference between loud and soft.
    """
    sets = [
        chosen
        for size in range(1, len(_VOICE_BANDS) + 1)
        for chosen in itertools.combinations(_VOICE_BANDS, size)
    ]
    spectra = np.zeros((max(1, num_utterances), SOUND_BANDS))
    for i, spectrum in enumerate(spectra):
        again, which = divmod(i, len(sets))
        spectrum[list(_VOICE_BANDS)] = 1.0 - 0.9 * math.prod([0.7] * again)
        spectrum[list(sets[which])] = 1.0
        spectrum /= spectrum.sum()
    return spectra


def _head_shadow() -> FloatArray:
    """What the head does to energy: (65, 8), by the cosine of the angle to the ear, -1 to 1."""
    radius, speed_of_sound = 0.0875, 343.0
    weakest, angle_of_weakest = 0.1, math.radians(150)
    cosine = np.linspace(-1.0, 1.0, _ANGLES + 1)[:, None]
    angle = pmath.atan2(np.sqrt(1.0 - cosine * cosine), cosine)
    zero = (1 + weakest / 2) + (1 - weakest / 2) * pmath.cos(angle / angle_of_weakest * math.pi)
    x = 2 * math.pi * BAND_CENTERS * radius / (2 * speed_of_sound)
    energy: FloatArray = (1 + (zero * x) ** 2) / (1 + x**2)
    return energy


_SHADOW = _head_shadow()
_WALL = 1.0 / (1.0 + (BAND_CENTERS / 250.0) ** 2)
_THROUGH = np.cumprod([np.ones(SOUND_BANDS), *[_WALL] * _MOST_WALLS], axis=0)
_BEHIND = np.array([0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.5, 0.5])


@kernel(error_model="numpy")
def _fill(which: Any, avatars: Any, voice: FloatArray, sounds: Any, walls: Any, out: Any) -> None:
    sound_position, sound_bands, sound_on = sounds
    walls = WallRows(*walls)
    observers = out.shape[1]
    count = avatars[0].shape[1]
    boxes = new_boxes(walls.position.shape[1])
    moving, speaking = np.empty((count, SOUND_BANDS)), np.empty((count, SOUND_BANDS))
    loud = np.empty(count, np.bool_)
    heard = np.empty((2, SOUND_BANDS))
    # An ear's place, and the direction that the head faces: x, y, z, cos, sin.
    head = np.empty((count, 5))
    for w in which:
        n = gather_walls(boxes, w, walls)
        _listen(w, avatars, voice, head, moving, speaking, loud)
        for a in range(observers):
            for band in range(SOUND_BANDS):
                heard[0, band] = heard[1, band] = OWN * speaking[a, band]
            for i in range(count):
                if i != a and loud[i]:
                    x, y = head[i, 0] - head[a, 0], head[i, 1] - head[a, 1]
                    near = x * x + y * y <= VOICE_RANGE * VOICE_RANGE
                    _hear(head[a], head[i], speaking[i] if near else moving[i], boxes, n, heard)
            for i in range(sound_on.shape[1]):
                if sound_on[w, i]:
                    _hear(head[a], sound_position[w, i], sound_bands[w, i], boxes, n, heard)
            for ear in range(2):
                for band in range(SOUND_BANDS):
                    energy, value = heard[ear, band], 0.0
                    if energy > 0.0:
                        value = min(pmath.log(1.0 + energy / QUIET) * _SCALE, 1.0)
                    out[w, a, ear, band] = value


@inner(error_model="numpy")
def _listen(
    w: int,
    avatars: Any,
    voice: FloatArray,
    head: FloatArray,
    moving: FloatArray,
    speaking: FloatArray,
    loud: BoolArray,
) -> None:
    """Works out where one world's heads are, and what each avatar sends out."""
    position, velocity, heading, utterance, bumped, height, present = avatars
    for i in range(len(loud)):
        head[i, 0], head[i, 1] = position[w, i, 0], position[w, i, 1]
        head[i, 2] = position[w, i, 2] + EYE_HEIGHT * height[i]
        head[i, 3], head[i, 4] = pmath.cos(heading[w, i]), pmath.sin(heading[w, i])
        x, y, said = velocity[w, i, 0], velocity[w, i, 1], utterance[w, i]
        speed = math.sqrt(x * x + y * y)
        steps = speed if speed > STILL else 0.0
        bump = 1.0 if bumped[w, i] else 0.0
        loud[i] = present[w, i] and (steps > 0.0 or bump > 0.0 or said >= 0)
        for band in range(SOUND_BANDS):
            moving[i, band] = steps * FOOTSTEPS[band] + bump * BUMP[band]
            speaking[i, band] = moving[i, band] + (voice[said, band] if said >= 0 else 0.0)


@inner(error_model="numpy")
def _hear(
    head: FloatArray,
    source: FloatArray,
    bands: FloatArray,
    boxes: FloatArray,
    n: int,
    heard: FloatArray,
) -> None:
    """Adds what arrives at both ears from one source."""
    dx, dy, dz = source[0] - head[0], source[1] - head[1], source[2] - head[2]
    square = dx * dx + dy * dy + dz * dz
    distance = math.sqrt(square) + 1e-9
    left = (dy * head[3] - dx * head[4]) / distance
    behind = max(-(dx * head[3] + dy * head[4]) / distance, 0.0)
    walls = crossings(boxes, n, head[0], head[1], head[2], source[0], source[1], source[2])
    walls = min(walls, _MOST_WALLS)
    gain = 1.0 / max(square, NEAREST * NEAREST)
    place = (left + 1.0) * (0.5 * _ANGLES)
    low = min(int(place), _ANGLES - 1)
    part, other = place - low, _ANGLES - low
    for band in range(SOUND_BANDS):
        energy = gain * bands[band] * _THROUGH[walls, band] * (1.0 - behind * _BEHIND[band])
        here, further = _SHADOW[low, band], _SHADOW[low + 1, band]
        heard[0, band] += energy * (here + part * (further - here))
        here, further = _SHADOW[other, band], _SHADOW[other - 1, band]
        heard[1, band] += energy * (here + part * (further - here))
