"""What happens on a tour in one step: shows, looking, reactions, errands, and who leaves.

Everything is a kernel over all worlds. Avatar 0 is the guide, avatar v + 1 visitor v.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import Quantity, WorldState
from als_scenarios.tourism.tour.museum import EXHIBITS
from als_scenarios.tourism.tour.taste import (
    NUM_ATTRIBUTES,
    appeal,
    enjoyment,
    satiate,
    tired,
)
from als_scenarios.tourism.tour.ways import Museum, away, room_at
from als_scenarios.tourism.tour.words import (
    ASK,
    GO_ON,
    GOODBYE,
    LOOK,
    NOTICE,
    RATINGS,
    SEE,
    WONDERFUL,
)

SHOW: Final = 20
"""Steps that a visitor looks at an exhibit until it has seen it."""

LONGEST: Final = 75
"""Steps after which a show ends in any case."""

REACH: Final = 1.9
"""How near the guide stands to an exhibit that it presents, metres."""

LEASH: Final = 2.7
"""The show ends when the guide is further away than this, metres."""

VIEW: Final = 2.5
"""How near a visitor stands to an exhibit that it looks at, in the same room, metres."""

HEARING: Final = 8.0
"""How far words and the flag carry, metres."""

OUT_AFTER: Final = 75
"""Steps after which a visitor who leaves is out, wherever it is."""

FAREWELL: Final = 15
"""Steps for which everybody can hear the goodbye, before which nobody is out."""

DOORSTEP: Final = 0.7
"""How near the exit one is out, metres."""

DOUBT: Final = 0.15
"""Standard deviation of what a visitor says around what it enjoys."""

SAYS: Final = (0.55, 0.15, -0.2)
"""Down to these enjoyments it says "wonderful", asks, says "I see"; below, "let us go on"."""

GLOW: Final = 25
"""For how many steps clothes show a reaction."""

PLEASED: Final = 0.35
"""Whoever enjoyed an exhibit by more than this may linger there."""

_COLORS: Final = np.array([[84, 190, 96], [240, 206, 70], [170, 172, 176], [212, 70, 62]], np.uint8)
"""Of clothes after "wonderful", a question, "I see" and "let us go on"."""

LINGER, STRAY, ERRAND, DRIFT = range(4)
"""Columns of the table of manners: steps that one lingers, the chance in a step to stray, for how
many steps, and whether to what one likes oneself."""


class Party(NamedTuple):
    """The visitors, (worlds, visitors, ...): hidden but for `errand`, `left` and `watched`.

    Attributes:
        taste, satiation: (…, 6). patience, tiring: see `taste`.
        looked: (…, 12) steps that each exhibit was looked at. watched: in the current show.
        enjoyed: in this step. satisfaction: in all.
        leaving: steps since it said goodbye, 0 for who has not. left: it did so in this step.
        errand: an exhibit that it goes to by itself or NOTHING. until: the step when that ends.
        voice: the sentence that it is about to say or NOTHING.
    """

    taste: FloatArray
    satiation: FloatArray
    patience: FloatArray
    tiring: FloatArray
    looked: IntArray
    watched: IntArray
    enjoyed: FloatArray
    satisfaction: FloatArray
    leaving: IntArray
    left: BoolArray
    errand: IntArray
    until: IntArray
    voice: IntArray

    @staticmethod
    def quantities(visitors: int) -> dict[str, Quantity]:
        """Declares them."""
        each, count = (visitors,), Quantity((visitors,), np.int32)
        nothing = Quantity(each, np.int32, NOTHING)
        vector = Quantity((visitors, NUM_ATTRIBUTES))
        return {
            "taste": vector,
            "satiation": vector,
            "patience": Quantity(each),
            "tiring": Quantity(each),
            "looked": Quantity((visitors, EXHIBITS), np.int32),
            "watched": count,
            "enjoyed": Quantity(each),
            "satisfaction": Quantity(each),
            "leaving": count,
            "left": Quantity(each, np.bool_),
            "errand": nothing,
            "until": count,
            "voice": nothing,
        }

    @classmethod
    def of(cls, state: WorldState) -> tuple[NDArray[Any], ...]:
        """The arrays, as a plain tuple for kernels."""
        return tuple(state[name] for name in cls._fields)


class Show(NamedTuple):
    """What everybody can know about the tour.

    Attributes:
        on_show: (worlds,) the exhibit on show or NOTHING. subject: that, or the last one.
        show_steps: (worlds,) since it is shown.
        noticed: (worlds,) the attribute that the guide speaks of or NOTHING.
        shown: (worlds, 12) the place of an exhibit in the order in which visitors came to look at
            them, from 1; 0 for those not looked at.
        rating: (worlds, visitors, 12) what was said of it. rated: whether anything was.
        last: (worlds, visitors) the last rating. asked: the attribute last asked about or NOTHING.
        glow: (worlds, visitors) steps for which clothes still show it.
    """

    on_show: IntArray
    subject: IntArray
    show_steps: IntArray
    noticed: IntArray
    shown: IntArray
    rating: FloatArray
    rated: BoolArray
    last: FloatArray
    asked: IntArray
    glow: IntArray

    @staticmethod
    def quantities(visitors: int) -> dict[str, Quantity]:
        """Declares them."""
        nothing = Quantity((), np.int32, NOTHING)
        return {
            "on_show": nothing,
            "subject": nothing,
            "show_steps": Quantity((), np.int32),
            "noticed": nothing,
            "shown": Quantity((EXHIBITS,), np.int32),
            "rating": Quantity((visitors, EXHIBITS)),
            "rated": Quantity((visitors, EXHIBITS), np.bool_),
            "last": Quantity((visitors,)),
            "asked": Quantity((visitors,), np.int32, NOTHING),
            "glow": Quantity((visitors,), np.int32),
        }

    @classmethod
    def of(cls, state: WorldState) -> tuple[NDArray[Any], ...]:
        """The arrays, as a plain tuple for kernels."""
        return tuple(state[name] for name in cls._fields)


@kernel
def advance(  # type: ignore[no-untyped-def]
    avatars, waved, step, dt, museum, party, show, behaviour, manners, draws, clothes
):
    """Moves the tour on by one step.

    Args:
        avatars: position, velocity, utterance, present and colour, of all avatars.
        waved: (worlds, avatars), who waves a flag.
        step: (worlds,).
        dt: seconds in a step.
        museum: `Museum`.
        party: `Party`, written.
        show: `Show`, written.
        behaviour: (worlds, avatars), the row of `manners` of each; below 0 for the caller's.
        manners: (behaviours, 4).
        draws: (worlds, visitors, 5) in [0, 1).
        clothes: (avatars, 3) uint8, what everybody wears.
    """
    museum, party, show = Museum(*museum), Party(*party), Show(*show)
    position, velocity, utterance, present, color = avatars
    for w in range(step.shape[0]):
        _hear(w, utterance, color, clothes, show)
        _guide(w, position, utterance, waved[w, 0], step[w], museum, party, show)
        e = show.on_show[w]
        if e >= 0:
            show.show_steps[w] += 1
        for v in range(party.patience.shape[1]):
            party.voice[w, v], party.enjoyed[w, v], party.left[w, v] = NOTHING, 0.0, False
            if not present[w, v + 1]:
                continue
            if party.leaving[w, v] > 0:
                party.leaving[w, v] += 1
                continue
            x, y = position[w, v + 1, 0], position[w, v + 1, 1]
            if e >= 0 and looks(w, v, x, y, e, museum, party):
                _look(w, v, e, museum, party, show, draws[w, v])
            u, z = velocity[w, v + 1, 0], velocity[w, v + 1, 1]
            metres = np.sqrt(u * u + z * z) * dt
            party.patience[w, v] = tired(
                party.patience[w, v], party.tiring[w, v], dt, metres, party.enjoyed[w, v]
            )
            if party.patience[w, v] <= 0.0:
                party.leaving[w, v], party.left[w, v], party.voice[w, v] = 1, True, GOODBYE
                party.errand[w, v] = NOTHING
        if e >= 0 and _over(w, e, position, present, museum, party, show):
            _end(w, step[w], behaviour, manners, museum, party, show)
        if show.on_show[w] < 0:
            for v in range(party.patience.shape[1]):
                row = behaviour[w, v + 1]
                if row >= 0 and present[w, v + 1] and party.leaving[w, v] == 0:
                    _stray(w, v, position, step[w], manners[row], museum, party, draws[w, v])
        for v in range(party.errand.shape[1]):
            if party.errand[w, v] >= 0 and step[w] >= party.until[w, v]:
                party.errand[w, v] = NOTHING


@inner
def looks(w, v, x, y, e, museum, party):  # type: ignore[no-untyped-def]
    """Whether a visitor at (x, y) looks at an exhibit that is on show."""
    if party.looked[w, v, e] >= SHOW:
        return False
    if away(x, y, museum.place[w, e, 0], museum.place[w, e, 1]) > VIEW:
        return False
    room = museum.rooms[w, museum.room_of[w, e]]
    return room[0] < x < room[2] and room[1] < y < room[3]


@inner
def _hear(w, utterance, color, clothes, show):  # type: ignore[no-untyped-def]
    """Notes what visitors say about what was shown last, and lets their clothes show it."""
    e = show.subject[w]
    for v in range(show.last.shape[1]):
        said = utterance[w, v + 1]
        if show.glow[w, v] > 0:
            show.glow[w, v] -= 1
            if show.glow[w, v] == 0:
                color[w, v + 1] = clothes[v + 1]
        if said < WONDERFUL or said > GO_ON:
            continue
        which = 0 if said == WONDERFUL else 1 if said < SEE else 2 if said == SEE else 3
        show.last[w, v] = RATINGS[which]
        show.asked[w, v] = said - ASK if which == 1 else NOTHING
        color[w, v + 1], show.glow[w, v] = _COLORS[which], GLOW
        if e >= 0:
            show.rating[w, v, e], show.rated[w, v, e] = RATINGS[which], True


@inner
def _guide(w, position, utterance, waves, step, museum, party, show):  # type: ignore[no-untyped-def]
    """Does what the guide says, and ends a show that it walks away from."""
    x, y, said = position[w, 0, 0], position[w, 0, 1], utterance[w, 0]
    e = show.on_show[w]
    if LOOK <= said < WONDERFUL:
        found = near_exhibit(w, x, y, museum, show)
        if found >= 0 and found != e:
            _close(w, museum, party, show)
            show.on_show[w] = show.subject[w] = e = found
            show.show_steps[w], show.noticed[w] = 0, NOTHING
        if found >= 0 and said >= NOTICE:
            show.noticed[w] = said - NOTICE
    elif e >= 0 and away(x, y, museum.place[w, e, 0], museum.place[w, e, 1]) > LEASH:
        _close(w, museum, party, show)
    if waves:
        _close(w, museum, party, show)
    called = waves or LOOK <= said < WONDERFUL
    for v in range(party.errand.shape[1]):
        # Whoever has gone astray comes to look; who lingers comes for the flag alone.
        errand = party.errand[w, v]
        lingers = errand >= 0 and party.looked[w, v, errand] > 0
        near = away(x, y, position[w, v + 1, 0], position[w, v + 1, 1]) <= HEARING
        if called and near and (waves or not lingers):
            party.errand[w, v], party.until[w, v] = NOTHING, step + GLOW


@inner
def near_exhibit(w, x, y, museum, show):  # type: ignore[no-untyped-def]
    """The exhibit that is presented from (x, y), of those in reach.

    It is the one on show; else, of those not shown yet or, without any, of all, the one whose
    stand is nearest.
    """
    room, best, least = room_at(x, y, museum.rooms[w]), NOTHING, np.inf
    for e in range(EXHIBITS):
        if museum.room_of[w, e] != room:
            continue
        if away(x, y, museum.place[w, e, 0], museum.place[w, e, 1]) > REACH:
            continue
        gap = away(x, y, museum.stand[w, e, 0], museum.stand[w, e, 1])
        if show.shown[w, e] > 0:
            gap += REACH
        if e == show.on_show[w]:
            return e
        if gap < least:
            best, least = e, gap
    return best


@inner
def _look(w, v, e, museum, party, show, draws):  # type: ignore[no-untyped-def]
    """One step of looking: enjoyment, and half way through a reaction."""
    if show.shown[w, e] == 0:
        show.shown[w, e] = show.shown[w].max() + 1
    strengths, taste = museum.strengths[w, e], party.taste[w, v]
    whole = enjoyment(appeal(strengths, taste, party.satiation[w, v], show.noticed[w]))
    party.enjoyed[w, v] = whole / SHOW
    party.satisfaction[w, v] += whole / SHOW
    party.looked[w, v, e] += 1
    party.watched[w, v] += 1
    if party.looked[w, v, e] != SHOW // 2:
        return
    # The sum of four even draws, at the scale of a standard deviation of 1.
    noise = (draws[0] + draws[1] + draws[2] + draws[3] - 2.0) * 1.7320508075688772
    felt = whole + DOUBT * noise
    if felt >= SAYS[0]:
        party.voice[w, v] = WONDERFUL
    elif felt >= SAYS[1]:
        liked = 0
        for k in range(1, NUM_ATTRIBUTES):
            if strengths[k] * taste[k] > strengths[liked] * taste[liked]:
                liked = k
        party.voice[w, v] = ASK + liked
    else:
        party.voice[w, v] = SEE if felt >= SAYS[2] else GO_ON


@inner
def _over(w, e, position, present, museum, party, show):  # type: ignore[no-untyped-def]
    """Whether all visitors who are still there have seen what is on show."""
    if show.show_steps[w] >= LONGEST:
        return True
    some = False
    for v in range(party.looked.shape[1]):
        if present[w, v + 1] and party.leaving[w, v] == 0:
            if party.looked[w, v, e] < SHOW:
                return False
            some = True
    return some


@inner
def _close(w, museum, party, show):  # type: ignore[no-untyped-def]
    """Ends a show: satiation moves on for who looked."""
    e = show.on_show[w]
    if e < 0:
        return
    for v in range(party.watched.shape[1]):
        steps = party.watched[w, v]
        if steps > 0:
            again = party.looked[w, v, e] > steps
            satiate(museum.strengths[w, e], steps / SHOW, again, party.satiation[w, v])
            party.watched[w, v] = 0
    show.on_show[w] = show.noticed[w] = NOTHING


@inner
def _end(w, step, behaviour, manners, museum, party, show):  # type: ignore[no-untyped-def]
    """Ends a show that was seen; who liked it may linger."""
    e = show.on_show[w]
    for v in range(party.watched.shape[1]):
        row = behaviour[w, v + 1]
        if row >= 0 and manners[row, LINGER] > 0 and party.watched[w, v] > 0:
            liked = enjoyment(
                appeal(museum.strengths[w, e], party.taste[w, v], party.satiation[w, v], NOTHING)
            )
            if liked > PLEASED and party.leaving[w, v] == 0:
                party.errand[w, v] = e
                party.until[w, v] = step + int(manners[row, LINGER])
    _close(w, museum, party, show)


@inner
def _stray(w, v, position, step, manner, museum, party, draws):  # type: ignore[no-untyped-def]
    """Sends a visitor of that manner to another exhibit of its room, now and then."""
    if party.errand[w, v] >= 0 or step < party.until[w, v] or draws[4] >= manner[STRAY]:
        return
    room = room_at(position[w, v + 1, 0], position[w, v + 1, 1], museum.rooms[w])
    best, most, count = NOTHING, -np.inf, 0.0
    for e in range(EXHIBITS):
        if museum.room_of[w, e] != room or party.looked[w, v, e] > 0:
            continue
        count += 1.0
        worth = appeal(museum.strengths[w, e], party.taste[w, v], party.satiation[w, v], NOTHING)
        # Each of them is as likely, unless it goes where it likes: the n-th replaces one in n.
        if worth > most if manner[DRIFT] > 0.0 else draws[e % 4] * count < 1.0:
            best, most = e, worth
    if best >= 0:
        party.errand[w, v], party.until[w, v] = best, step + int(manner[ERRAND])
