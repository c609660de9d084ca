"""`ALS/Commons-v0`: fruit that grows back only near fruit, a river to clean, and free riders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_USE
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Role, Task, add_terms
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.body import COMMANDS
from als_engine.world.layout import Layout
from als_engine.world.state import Quantity, WorldState
from als_scenarios.game.commons import measures, rules
from als_scenarios.game.commons.foragers import Foragers
from als_scenarios.game.commons.growth import CELLS, pass_time, pollution
from als_scenarios.game.commons.orchard import Orchard
from als_scenarios.game.commons.yard import (
    DRY,
    FRUITS,
    GATES,
    MEADOW,
    PATCHES,
    PEN,
    REACHES,
    SPOTS,
    TEMPERS,
    plan_of,
    shades,
    yard,
)

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands, Possible

FRUIT: Final = 1.0
"""Reward for a fruit."""

SENT: Final = -1.0
"""Reward for being sent away."""

FED: Final = 6
"""So many fruits each of the caller's avatars has to have eaten."""

GATHERED: Final = 1.5
"""So many times the fruit that there was at first all together have to have eaten."""

BEARING: Final = 0.2
"""The share of the spots that have fruit at the end where the yard was kept."""

_CLOTHES: Final = ("blue", "orange", "white", "purple", "yellow", "teal", "pink", "grey")
_COMMANDS: Final = tuple(each for each in COMMANDS if each not in ("pick up", "put down"))
_GATES: Final = np.array(GATES)
_SHADES: Final = shades(CELLS)
_MEADOWS: Final = slice(FRUITS + 3, FRUITS + 3 + 3 * PATCHES, 3)
_RIVER: Final = slice(FRUITS + 3 + 3 * PATCHES, FRUITS + 3 + 3 * PATCHES + REACHES)
_GROUND: Final = np.array([DRY, MEADOW], np.uint8)


class Commons(Task):
    """Foragers share a yard: what is taken to the last fruit never grows again.

    ## Description

    A fenced yard, 14 by 10 metres, with four to six fruit trees. Round each lie up to six fruits,
    at spots that the level draws. Whoever uses a hand (`use`) eats the nearest fruit within reach;
    a hand is then busy for 8 steps. An empty spot bears again, in each step, with a probability
    that grows with the fruit in its patch: 0 for none, 0.0025 for one, 0.005 for two, 0.025 for
    three or more. A patch that is emptied stays dead, and the ground under its tree turns dry.

    The river on the west side gets dirty: after step 50 one of its 96 cells does so with
    probability 0.5 a step. All regrowth is multiplied by a factor that falls from 1 over a clean
    river to 0 where 40 % of it are dirty. Whoever uses one of three pumps cleans three cells, where
    it is dirtiest, in 3 steps. The river's colour goes from blue to brown.

    Whoever says "go away" sends off the nearest person within 3 m and 20 degrees ahead, who waits
    behind the east fence for 50 steps and comes back through it as soon as there is room. The
    speaker cannot do so again for 50 steps. Somebody who is away eats, cleans and sends nobody.

    All this is two published dilemmas at once. Regrowth is that of Perolat et al. (2017) with the
    probabilities and the radius of two cells of Melting Pot's `commons_harvest__open`; here a patch
    is 1.44 m across, patches are more than 1.55 m apart, and two cells are 1.55 m. Pollution is
    that of Hughes et al. (2018) with the numbers of Melting Pot's `clean_up`, whose maximum of 0.05
    for regrowth is replaced by the probabilities above. A beam there is 3 cells long and removes a
    player for 50 steps. All are meant per step of a grid world; how far one gets in a step, how
    long hands are busy and how long one is hoarse are our own.

    The others are scripted, and walk at 0.7 of full speed. A level's `mixture` says who of them
    `cooperates` (leaves three fruits in every patch; cleans from a dirty share of 0.1 on, whoever
    has done it least first), `free-rides` (eats everything, never cleans) or `punishes` (cooperates
    and sends away whom it saw leave fewer than three fruits). In validation half of them, by
    chance, are one who `reciprocates` instead (cooperates until half of the others took too much
    lately), in the test split one who `hoards` (keeps to a tree, leaves two fruits, sends away who
    comes close to it). All who take too much cooperate for 250 steps after they were sent away.

    Splits: no plan of the patches (how many spots each has) and no mixture of the three known kinds
    is met in two splits.

    ## Observations

    By default `orchard`, `entities` and `proprioception`; `rgb`, `text` and all others of the
    engine on request. `orchard` is float32 (89,): places are seen from the body, fruit and people
    go from the nearest to the farthest, and rows without one are 0.

    | column | is | range |
    | --- | --- | --- |
    | 0, 1 | one is sent away, and for how long, over 50 steps | 0 to 1 |
    | 2, 3 | how long the hand is busy, over 8 steps, and the voice, over 50 | 0 to 1 |
    | 4, 5 | own meals, over 50; the share of time left | 0 to 1 |
    | 6 | the dirty share of the river | 0 to 1 |
    | 7, 8 | the fruit in the patch of the one in reach, over 6; a pump is in reach | 0 to 1 |
    | 9 to 14 | of each pump: forward and left, over 12 m | ±1 |
    | 15 to 46 | of the eight nearest fruits: 1, forward and left over 6 m, the fruit in its patch \
over 6 | ±1 |
    | 47 to 88 | of everybody else: 1, forward and left over 12 m, 1 if sent away, how lately it \
left a patch with fewer than three fruits, how lately it cleaned (1 now, 0 after 60 steps) | ±1 |

    What somebody is like is in no observation.

    ## Actions

    The engine's discrete, continuous or factored actions, without picking up and putting down.
    "go away" has the effect above; "leave some" and "clean the river" have none. Masks rule out
    hands that are busy and voices that are hoarse.

    ## Rewards

    Everybody's own: motives are mixed.

    | term | reward |
    | --- | --- |
    | `fruit` | +1 for a fruit |
    | `sent` | -1 for being sent away |

    Cleaning and sending pay nothing. FIGURES

    ## Episode end

    Terminated when no fruit is left, since none will grow; truncated after 600 steps.

    ## Arguments

    - `num_avatars` (6): 4 to 8 foragers.

    ## Metrics

    - `success`: after 600 steps at least a fifth of the spots bear, people have eaten one and a
      half times the fruit that there was at first, and each of the caller's avatars at least six.
    - `collective_return`: the returns of everybody, added up.
    - `sustainability`: the mean time of a meal, averaged over people, as a share of the time limit.
    - `equality`: one minus the Gini coefficient of meals.
    - `peace`: the share of all time that nobody spent sent away.
    - `pollution`: the dirty share of the river.
    - `fruit_left`: the share of the spots that bear.

    ## References

    - Perolat, Leibo, Zambaldi, Beattie, Tuyls and Graepel 2017, "A multi-agent reinforcement
      learning model of common-pool resource appropriation", NeurIPS: regrowth, and the metrics.
    - Hughes et al. 2018, "Inequity aversion improves cooperation in intertemporal social
      dilemmas", NeurIPS: the river.
    - Leibo et al. 2021, "Scalable evaluation of multi-agent reinforcement learning with Melting
      Pot", ICML, and Agapiou et al. 2022, "Melting Pot 2.0", arXiv:2211.13746: background
      populations that are held out, and the numbers, from the configurations of
      `commons_harvest__open` and `clean_up`.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("orchard", "entities", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = ("go away", "leave some", "clean the river")
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"orchard": Orchard}
    reward_names: ClassVar[tuple[str, ...]] = ("fruit", "sent")

    def __init__(self, num_avatars: int = 6) -> None:
        super().__init__(num_avatars)
        self._foragers = Foragers()

    def roles(self) -> Sequence[Role]:
        """All are foragers, each in clothes of its own colour."""
        return [
            Role("forager", Body(color=_CLOTHES[i % len(_CLOTHES)], commands=_COMMANDS))
            for i in range(self.num_avatars)
        ]

    def quantities(self) -> Mapping[str, Quantity]:
        """The fruit, the river, who the others are, and what everybody does and did."""
        each = (self.num_avatars,)
        return {
            "planted": Quantity((FRUITS,), np.bool_),  # Where fruit can be.
            "ripe": Quantity((FRUITS,), np.bool_),  # Where it is.
            "dirt": Quantity((REACHES,), np.int32),  # Dirty cells in each stretch of the river.
            "temper": Quantity(each, np.int8),  # Into `yard.TEMPERS`.
            "meals": Quantity(each, np.int32),
            "meal_time": Quantity(each, np.int64),  # The steps of all meals, added up.
            "busy": Quantity(each, np.int32),  # Steps until a hand is free.
            "hoarse": Quantity(each, np.int32),  # Steps until one can send somebody away.
            "away": Quantity(each, np.int32),  # Steps until one may come back.
            "since_taken": Quantity(each, np.int32, rules.LONG_AGO),  # From too small a patch.
            "since_washed": Quantity(each, np.int32, rules.LONG_AGO),
            "since_sent": Quantity(each, np.int32, rules.LONG_AGO),
            "times_sent": Quantity(each, np.int32),
            "strokes": Quantity(each, np.int32),  # That cleaned something.
            "ate": Quantity(each, np.bool_, False),  # In this step, as the next two.
            "sent": Quantity(each, np.bool_, False),
            "back": Quantity(each, np.int32, NOTHING),  # The gate at which one comes in.
            "away_time": Quantity((), np.int64),  # Steps that people spent away, added up.
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A yard of its own, with others of the level's split."""
        return yard(rng, level, self.num_avatars)

    def concepts(self, layout: Layout) -> set[tuple[str, Any]]:
        """The plan of the patches and the mixture of the others: no two splits share one."""
        kinds = np.asarray(layout.quantities["temper"])[1:]
        counts = tuple(int((kinds == kind).sum()) for kind in range(len(TEMPERS)))
        planted = np.asarray(layout.quantities["planted"])
        return {("patches", plan_of(planted)), ("mixture", counts)}

    # -- the rules ------------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Looks at the new yards."""
        self._foragers.refresh(state, worlds)

    def after_step(self, state: WorldState) -> None:
        """Lets hands and voices act, then the fruit grow and the river get dirty."""
        avatars, everybody = state.avatars, rules.people(state)
        moves = rules.act(
            state.step,
            state.events.used,
            avatars.utterance,
            (avatars.position, avatars.heading),
            state.props.position,
            state["ripe"],
            state["dirt"],
            everybody,
        )
        if moves:
            self._send_and_fetch(state, everybody)
        state["away_time"][:] += (state["away"] > 0).sum(1)
        draws = state.uniform(0, (FRUITS + 2,))
        pass_time(state.step, state["planted"], state["ripe"], state["dirt"], draws)
        _show(state)

    def _send_and_fetch(self, state: WorldState, everybody: tuple[NDArray[Any], ...]) -> None:
        """Puts those in the pen who were sent away, and at a gate whose time is up."""
        rules.find_room(_GATES, state.avatars.position, everybody)
        sent, back = state["sent"], state["back"]
        for avatar in np.flatnonzero((sent | (back != NOTHING)).any(0)).tolist():
            gone, here = (np.flatnonzero(which[:, avatar]) for which in (sent, back != NOTHING))
            state.place(avatar, gone, PEN[avatar], np.pi)
            state.instruct(gone, "you have been sent away", avatar)
            state.place(avatar, here, _GATES[back[here, avatar]], np.pi)
            state.instruct(here, "you may come back", avatar)

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms: to everybody what is its own."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """Fruit, and being sent away."""
        return {"fruit": FRUIT * state["ate"], "sent": np.where(state["sent"], SENT, 0.0)}

    def terminated(self, state: WorldState) -> BoolArray:
        """There is no fruit left, so that none will ever grow."""
        return np.asarray(~state["ripe"].any(1))

    def success(self, state: WorldState) -> BoolArray:
        """At the end there was enough for all and for the caller's own, and the yard bears on."""
        meals = state["meals"]
        fed = ((meals >= FED) | (state.behaviour != NOTHING)).all(1)
        fed &= meals.sum(1) >= GATHERED * state["planted"].sum(1)
        ended = state.step >= state.max_episode_steps
        return np.asarray(ended & fed & (_fruit_left(state) >= BEARING))

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """How the people did together."""
        meals = state["meals"]
        returns = FRUIT * meals + SENT * state["times_sent"]
        return {
            "collective_return": returns.sum(1),
            "sustainability": measures.sustainability(
                meals, state["meal_time"], state.max_episode_steps
            ),
            "equality": measures.equality(meals),
            "peace": measures.peace(state["away_time"], state.step, self.num_avatars),
            "pollution": pollution(state["dirt"]),
            "fruit_left": _fruit_left(state),
        }

    def action_mask(self, state: WorldState, possible: Possible) -> None:
        """Nobody acts while away; hands and voices need their time."""
        here = state["away"] == 0
        possible.hand[..., HAND_USE] &= here & (state["busy"] <= 1)
        possible.say[..., rules.GO_AWAY] &= here & (state["hoarse"] <= 1)

    # -- the people -----------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The populations; `reciprocates` and `hoards` are held out."""
        return self._foragers.behaviours()

    def heuristics(self) -> Mapping[str, Act]:
        """To hold back and clean in turn, and to take whatever is nearest."""
        return self._foragers.heuristics()

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Holds back, cleans where nobody else does, and sends away who takes too much."""
        self._foragers.expert(state, who, commands)


def _fruit_left(state: WorldState) -> FloatArray:
    """The share of the spots that have fruit, (worlds,)."""
    return np.asarray(state["ripe"].sum(1) / np.maximum(state["planted"].sum(1), 1))


def _show(state: WorldState) -> None:
    """Lets everybody see the fruit, the ground under dead trees, and how clean the river is.

    Fruit, ground and river are not solid: the physics has no bodies for them, so that nothing has
    to be taken over from what is written here.
    """
    props, ripe = state.props, state["ripe"]
    props.present[:, :FRUITS] = ripe
    alive = ripe.reshape(-1, PATCHES, SPOTS).any(2)
    props.color[:, _MEADOWS] = _GROUND[alive.astype(np.intp)]
    props.color[:, _RIVER] = _SHADES[state["dirt"]]
