"""Hosts of `ALS/Gathering-v0`: the expert, who knows all, and rules that only look and listen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.navigation import face
from als_engine.world.arrays import NOTHING
from als_scenarios.social.gathering.door import ADMITTED, ANSWER_REACH, INSIDE, WAITING, from_host
from als_scenarios.social.gathering.door import is_genuine as truth
from als_scenarios.social.gathering.feelings import ANGRY, HAPPY, SAD, quadrant
from als_scenarios.social.gathering.house import POST
from als_scenarios.social.gathering.people import VOICES
from als_scenarios.social.gathering.words import (
    ADMIT,
    INTRODUCE,
    REFUSE,
    YOU_SEEM,
    partner,
    unmet,
)

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

LIKE_ENOUGH: Final = 37.0
"""How far the rules let a voice be from the portrait of whom it claims to be, squared decibels;
chosen on training levels, where as many impostors are let in as others are turned away."""
HEARD_ENOUGH: Final = 10
"""Steps for which the rules listen to a voice before they answer."""
DOWNCAST: Final = -0.15
"""The valence of a face from which the rules comfort."""

_APPROACH: Final = 1.25
_ANSWER: Final = ANSWER_REACH - 0.2


class Judgement(NamedTuple):
    """What a host believes of its guests, each (worlds, guests).

    Attributes:
        verdict: 1 to admit who waits, -1 to refuse, 0 for not knowing yet.
        mood: the mood that it would tell a guest.
        troubled: whom it would comfort.
        lonely: (worlds, guests, guests), whom it would introduce to whom.
    """

    verdict: IntArray
    mood: NDArray[np.int8]
    troubled: BoolArray
    lonely: BoolArray


def knowing(state: WorldState) -> Judgement:
    """The expert's: it reads moods, identities and acquaintances."""
    mood = state["mood"]
    strangers = ~state["knows"] & ~np.eye(mood.shape[1], dtype=np.bool_)
    few = np.count_nonzero(state["knows"], axis=-1) < 2
    strangers &= few[:, :, None] | few[:, None]
    troubled = ((mood == ANGRY) | (mood == SAD)) & (state["burden"][..., 0] < 0)
    return Judgement(np.where(truth(state), 1, -1), mood, troubled, strangers)


def voice_distance(state: WorldState) -> FloatArray:
    """How far each voice, as heard so far, is from each portrait, (worlds, guests, invited).

    In squared decibels over the seven bands from 125 Hz, their common level left out, since effort
    changes it.
    """
    heard = state["heard"][:, :, None, 1:]
    portraits = VOICES[state["invited"]][:, None, :, 1:]
    gap = heard - portraits
    gap = gap - gap.mean(-1, keepdims=True)
    return np.asarray((gap * gap).sum(-1))


def by_voice(state: WorldState) -> IntArray:
    """Admits whose voice is most like the portrait of the claimed person, and like enough."""
    away = voice_distance(state)
    claimed = np.maximum(state["claimed"], 0)[..., None]
    own = np.take_along_axis(away, claimed, axis=2)[..., 0]
    fits = (own <= away.min(-1)) & (own < LIKE_ENOUGH)
    return np.where(state["heard_for"] < HEARD_ENOUGH, 0, np.where(fits, 1, -1))


def by_sight(state: WorldState) -> Judgement:
    """What the rules know: voices from portraits, moods from faces."""
    looks = state["face"]
    troubled = looks[..., 0] < DOWNCAST
    return Judgement(by_voice(state), quadrant(looks), troubled, unmet(state))


def knowing_nobody(state: WorldState) -> Judgement:
    """Voices alone: whoever minds the door and nothing else."""
    shape = state["mood"].shape
    nobody = np.zeros(shape, np.bool_)
    none = np.zeros((*shape, shape[1]), np.bool_)
    return Judgement(by_voice(state), np.full(shape, HAPPY, np.int8), nobody, none)


def receive(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, belief: Judgement
) -> None:
    """Drives the host: first the door, then who is troubled, then who is lonely."""
    host = who[:, 0]
    if not host.any():
        return
    to = partner(state)
    listens = (state["listens_at"] <= state.step[:, None]) & (state["stage"] != INSIDE)
    troubled = belief.troubled & listens & (state["stage"] != ADMITTED)
    say = _sentence(state, belief, troubled, to)
    speaks = host & (say != NOTHING)
    commands.say[speaks, 0] = say[speaks]
    goal, looks_at, stops = _whereto(state, belief, troubled)
    goals = np.repeat(goal[:, None], state.num_avatars, axis=1)
    points = np.repeat(looks_at[:, None], state.num_avatars, axis=1)
    walks = np.zeros_like(who)
    walks[:, 0] = host & ~speaks & ~stops
    navigator.walk(goals, commands, walks)
    stands = np.zeros_like(who)
    stands[:, 0] = host & ~speaks & stops
    if stands.any():
        face(state, points, commands, stands)


def _sentence(state: WorldState, belief: Judgement, troubled: BoolArray, to: IntArray) -> IntArray:
    """What the host says now, (worlds,), or NOTHING."""
    rows, sentence = np.arange(state.num_worlds), state.speech.sentence
    say = np.full(state.num_worlds, NOTHING, np.int32)
    new = unmet(state) & belief.lonely
    say[new.any((1, 2))] = sentence[INTRODUCE, 0]
    gap = np.where(state["stage"] == WAITING, from_host(state), np.inf)
    nearest = gap.argmin(1)
    verdict = np.where(gap[rows, nearest] < _ANSWER, belief.verdict[rows, nearest], 0)
    say[verdict > 0] = sentence[ADMIT, 0]
    say[verdict < 0] = sentence[REFUSE, 0]
    comforts = (to != NOTHING) & troubled[rows, to]
    moods = sentence[YOU_SEEM][belief.mood[rows, to]]
    return np.where(comforts, moods, say)


def _whereto(
    state: WorldState, belief: Judgement, troubled: BoolArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Where the host goes and what it looks at, (worlds, 2), and whether it is there already."""
    rows, places = np.arange(state.num_worlds), state["places"]
    guests = state.avatars.position[:, 1:, :2]
    gap = from_host(state)
    goal = places[:, POST].copy()
    # Who is lonely: to the middle between the two that are met with the least walking.
    middles = (guests[:, :, None] + guests[:, None]) / 2
    away = middles - state.avatars.position[:, 0, None, None, :2]
    spread = ((guests[:, :, None] - guests[:, None]) ** 2).sum(-1)
    cost = (away * away).sum(-1) + spread
    can = belief.lonely & (state["stage"] < ADMITTED)[:, :, None]
    can &= (state["stage"] < ADMITTED)[:, None]
    cost = np.where(can, cost, np.inf).reshape(len(rows), -1)
    pair = cost.argmin(1)
    meets = np.isfinite(cost[rows, pair])
    goal[meets] = middles.reshape(len(rows), -1, 2)[rows, pair][meets]
    # Who is troubled.
    near = np.where(troubled, gap, np.inf)
    saddest = near.argmin(1)
    comforts = np.isfinite(near[rows, saddest])
    goal[comforts] = guests[rows, saddest][comforts]
    stops = comforts & (near[rows, saddest] < _APPROACH)
    # Who waits at the door.
    waits = state["stage"] == WAITING
    answers = waits.any(1)
    goal[answers] = places[answers, POST]
    stops &= ~answers
    to_face = np.where(answers[:, None], guests[rows, waits.argmax(1)], goal)
    return goal, to_face, stops
