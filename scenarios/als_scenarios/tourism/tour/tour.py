"""`ALS/Tour-v0`: a guide leads visitors of unknown taste through a museum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.navigation import Navigator
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Role, Task, add_terms
from als_engine.world.arrays import Body, BoolArray, FloatArray, IntArray
from als_engine.world.body import LOCOMOTION
from als_engine.world.layout import Layout
from als_engine.world.layout import rgb as color_of
from als_engine.world.state import Quantity, WorldState
from als_scenarios.tourism.tour import guiding, yardstick
from als_scenarios.tourism.tour.floor import PLANS
from als_scenarios.tourism.tour.museum import SPOTLIGHT, lay_out
from als_scenarios.tourism.tour.sensors import TourSensor
from als_scenarios.tourism.tour.shaping import potential
from als_scenarios.tourism.tour.taste import ATTRIBUTES
from als_scenarios.tourism.tour.visit import DOORSTEP, FAREWELL, OUT_AFTER, Party, Show, advance
from als_scenarios.tourism.tour.visitors import MANNERS, TABLE, Manner, follow
from als_scenarios.tourism.tour.ways import Museum
from als_scenarios.tourism.tour.words import GUIDE_SAYS, VISITOR_SAYS, Flag

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

GUIDE: Final = 0
LEAVING: Final = -1.0
"""Reward when the whole party leaves; each visitor's leaving costs its share."""

PASS: Final = 0.6
"""The share of the oracle's satisfaction that makes a tour a success."""

_CLOTHES: Final = ("blue", "purple", "teal", "pink", "orange")
_DRAWS: Final = 0

Worth = Callable[[WorldState], tuple[FloatArray, IntArray]]


class Tour(Task):
    """A guide shows a museum to visitors of unknown taste, and says why it shows what it shows.

    ## Description

    Twelve exhibits are spread over four rooms: eight pictures on the walls and, in each room, a
    sculpture on a plinth. An exhibit is about three of six attributes (history, nature, people,
    colour, drama, craft); its label has one to three stars for each. Two to five visitors have come
    together. Each has a taste, which nobody knows, and patience, which falls with time and with
    the way and follows what it enjoys. Whoever has lost patience says "goodbye", walks to the exit
    and is out.

    The guide leads. Where it stands within 1.9 m of an exhibit, in its room, and says "look at
    this" or "notice ..." with an attribute, that exhibit is on show, and a light shines before it.
    Visitors who hear it come and look, within 2.5 m; one who looks for 20 steps has seen it. A
    show ends when everybody who is left has seen it, after 75 steps, when the guide is more than
    2.7 m away or waves its flag. What is not shown brings nothing, what was seen brings no more,
    and what is like the last exhibits brings less. "Notice ..." speaks of an attribute until the
    show ends: it strengthens what a visitor likes about the exhibit, and bores where there is
    nothing to like. Half way through a show a visitor says "wonderful", asks "tell me about ..."
    with the attribute it likes best there, says "I see" or "let us go on"; whoever is bored turns
    round. It is a recommendation problem with cold start: everything that can be known of a taste
    has to be found out during the tour.

    Between shows visitors come along. They are background: one who `follows`, one who `lingers` at
    what it liked, one who `strays` to other exhibits; in the validation split also one who
    `trails` far behind, in the test split one who `drifts` to what it likes best itself. The
    waved flag calls everybody within 8 m to come along.

    Splits: a party is of two of its split's kinds of taste, the two attributes that a visitor
    likes: nine kinds are met in training, two in the validation split and four in the test split.
    Of six floor plans, which levels turn and mirror, training has a ring, a corner and a star of
    rooms, the validation split a zigzag, the test split a row and a horseshoe.

    The model of visitors is in `taste`: linear appeal as in contextual bandits (Li, Chu, Langford
    and Schapire 2010), satiation of rebounding bandits (Leqi, Kilinc-Karzan, Lipton and Montgomery
    2021) and museum fatigue (Falk et al. 1985, Bitgood 2009). Half an hour's visit is the 33
    seconds of an episode.

    ## Observations

    By default `tour`, `heard`, `entities` and `proprioception`; `rgb`, `text` and all others of the
    engine on request. `tour`, float32 (283,), is this scenario's own: the exhibits with their
    attributes and the way to them, what was shown, who is where and looks, and what was said of
    what; see `TourSensor` for every column. Nothing tells a taste or patience.

    ## Actions

    The engine's discrete, continuous or factored actions, without hands. The guide walks, says
    "look at this" and "notice ..." with one of six attributes, and waves its flag, an effector of
    its own. Visitors walk and say what is told above.

    ## Rewards

    The same for everybody, the sum of the terms `satisfaction`, `leaving` and `shaping`:

    | term | reward |
    | --- | --- |
    | satisfaction | the mean, over the whole party, of what each enjoyed in this step; for an \
exhibit seen from beginning to end that adds up to -1 to 1 |
    | leaving | -1 when the whole party has left: each visitor who does costs its share |
    | shaping | change of the potential |

    The potential is 0.4 for each exhibit that all visitors have seen, whether they like it or not,
    less 0.06, between shows, for each metre of the guide's way to where the nearest exhibit that
    was not shown yet is presented (Ng, Harada and Russell 1999). Taste is not in it. It is 0 at the
    end of an episode: added up, shaping gives every episode of a level the same, about +0.2.

    Whoever has left enjoys nothing more. The expert's return is about 2.8, that of random
    actions about -0.8.

    ## Episode end

    Terminated when everybody has left; truncated after 500 steps. It is a success when the visitors
    got at least 60 % of the satisfaction that the greedy oracle (see `regret`) gives in a whole
    episode, and no more than half of them, rounded down, have left.

    ## Arguments

    - `num_avatars` (4): 3 to 6, a guide and two to five visitors.

    ## Metrics

    - `success`: see above.
    - `satisfaction`: the mean of what each of the party has enjoyed so far.
    - `regret`: the satisfaction that a greedy oracle would have given by now, less that. The oracle
      knows every taste; from where the guide starts it shows, again and again, the exhibit with the
      most enjoyment per step, with the words that help most, walks 0.1 m a step, takes 10 steps to
      gather the group and lets everybody see it. Nobody leaves it.
    - `ndcg`: normalised discounted cumulative gain of the first five exhibits that were looked at
      (Jarvelin and Kekalainen 2002), 0 to 1; an exhibit's gain is what the party enjoys of it.
    - `stayed`: the part of the visitors who have not left.
    - `shown`: how many exhibits were looked at.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("tour", "heard", "entities", "proprioception")
    utterances: ClassVar = (*GUIDE_SAYS, *VISITOR_SAYS)
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"tour": TourSensor}
    reward_names: ClassVar[tuple[str, ...]] = ("satisfaction", "leaving", "shaping")

    def __init__(self, num_avatars: int = 4) -> None:
        super().__init__(num_avatars)
        self.visitors = num_avatars - 1
        # A cache of the ways through each museum; it never changes a result.
        self._navigator: Navigator | None = None
        bodies = [role.body for role in self.roles()]
        self._clothes = np.array([color_of(body.color) for body in bodies], np.uint8)

    def roles(self) -> Sequence[Role]:
        """The guide comes first; everybody else is a visitor."""
        walk = LOCOMOTION[1:]
        guide = Body(color="red", commands=walk, effectors=[Flag()])
        visitors = [Body(color=color, commands=walk) for color in _CLOTHES[: self.visitors]]
        return [
            Role("guide", guide, utterances=GUIDE_SAYS),
            *(Role("visitor", body, utterances=VISITOR_SAYS) for body in visitors),
        ]

    def quantities(self) -> Mapping[str, Quantity]:
        """The museum, the visitors' insides, the show, and what the oracle would have done."""
        return {
            "plan": Quantity((), np.int32),
            "kind": Quantity((self.visitors, 2), np.int32),
            **Museum.quantities(),
            **Party.quantities(self.visitors),
            **Show.quantities(self.visitors),
            **yardstick.quantities(),
            "potential": Quantity(),
            "shaping": Quantity(),
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A museum with a party of visitors, both of the level's split."""
        return lay_out(rng, level, self.visitors)

    def concepts(self, layout: Layout) -> set[str]:
        """The floor plan and the kinds of taste: no two splits share one."""
        plan = list(PLANS)[int(np.asarray(layout.quantities["plan"]))]
        kinds = np.asarray(layout.quantities["kind"]).tolist()
        return {f"plan {plan}", *(f"{ATTRIBUTES[a]} and {ATTRIBUTES[b]}" for a, b in kinds)}

    # -- what happens -----------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Dresses everybody, plans the oracle's tour and learns the way."""
        state.avatars.color[worlds] = self._clothes
        yardstick.prepare(state, worlds)
        state["potential"][worlds] = potential(state)[worlds]
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state, clearance=0.28)
        self._navigator.refresh(worlds)

    def after_step(self, state: WorldState) -> None:
        """Moves the tour on, the spotlight with it, and lets out who has left."""
        avatars, before = state.avatars, state["on_show"].copy()
        advance(
            (avatars.position, avatars.velocity, avatars.utterance, avatars.present, avatars.color),
            state["flag.waved"], state.step, state.time_step, Museum.of(state), Party.of(state),
            Show.of(state), state.behaviour, TABLE,
            state.uniform(_DRAWS, (self.visitors, 5)), self._clothes,
        )  # fmt: skip
        changed = before != state["on_show"]
        if changed.any():
            self._light(state, changed)
        if (state["leaving"] > 0).any():
            self._let_out(state)
        now = potential(state)
        np.subtract(now, state["potential"], out=state["shaping"])
        state["potential"][:] = now

    def _light(self, state: WorldState, changed: BoolArray) -> None:
        """Puts the spotlight before what is on show now, or out."""
        state.show("spotlight", changed, False)
        lit = np.flatnonzero(changed & (state["on_show"] >= 0))
        if lit.size:
            e = state["on_show"][lit]
            spot = state["place"][lit, e] + 0.95 * state["out"][lit, e]
            state.show("spotlight", lit, True)
            height = state.props.half[lit, SPOTLIGHT, 2] + 0.01
            state.move("spotlight", lit, np.column_stack([spot, height]))

    def _let_out(self, state: WorldState) -> None:
        """Takes out of the world who has reached the exit, or is on the way for long."""
        away = state.avatars.position[:, 1:, :2] - state["exit"][:, None]
        near = np.square(away).sum(-1) < DOORSTEP * DOORSTEP
        leaving = state["leaving"]
        out = (leaving > FAREWELL) & (near | (leaving > OUT_AFTER)) & state.avatars.present[:, 1:]
        for visitor in np.flatnonzero(out.any(0)).tolist():
            state.show(visitor + 1, out[:, visitor], False)

    # -- what counts ------------------------------------------------------------------------------

    def reward(self, state: WorldState) -> FloatArray:
        """The same for everybody, (worlds, avatars)."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """Enjoyment and the cost of those who leave, as parts of the whole party, and shaping."""
        return {
            "satisfaction": self.everyone(state["enjoyed"].sum(1) / self.visitors),
            "leaving": self.everyone(LEAVING * state["left"].sum(1) / self.visitors),
            "shaping": self.everyone(state["shaping"]),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """Everybody has left."""
        return np.asarray((state["leaving"] > 0).all(1))

    def success(self, state: WorldState) -> BoolArray:
        """Most of what the oracle would have given, and at least half of the party is there."""
        goal = PASS * state["oracle_gain"].sum(1)
        gone = (state["leaving"] > 0).sum(1)
        return np.asarray((_satisfaction(state) >= goal) & (gone <= self.visitors // 2))

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """How satisfied visitors are, what was missed, and how many have stayed."""
        satisfaction = _satisfaction(state)
        return {
            "satisfaction": satisfaction,
            "regret": yardstick.oracle(state) - satisfaction,
            "ndcg": yardstick.ndcg(state),
            "stayed": (state["leaving"] == 0).mean(1),
            "shown": state["shown"].max(1),
        }

    # -- who guides, and who follows --------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The manners of visitors, and for the guide the rule "nearest"."""
        manners = {
            name: Behaviour(partial(self._follow, manner=manner), ("visitor",), manner.splits)
            for name, manner in MANNERS.items()
        }
        alone = partial(self._guide, worth=guiding.nearest)
        return {**manners, "guides": Behaviour(alone, ("guide",))}

    def _follow(
        self, state: WorldState, who: BoolArray, commands: Commands, manner: Manner
    ) -> None:
        assert self._navigator is not None
        follow(state, who, commands, self._navigator, manner)

    def _guide(self, state: WorldState, who: BoolArray, commands: Commands, worth: Worth) -> None:
        assert self._navigator is not None
        guiding.guide(state, who, commands, self._navigator, *worth(state))

    def _lead(self, state: WorldState, who: BoolArray, commands: Commands, worth: Worth) -> None:
        """Guides, and lets the visitors in `who` follow."""
        self._guide(state, who, commands, worth)
        visitors = who.copy()
        visitors[:, GUIDE] = False
        if visitors.any():
            self._follow(state, visitors, commands, MANNERS["follows"])

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Guides with every taste in mind, greedily; visitors follow."""
        self._lead(state, who, commands, guiding.known)

    def heuristics(self) -> Mapping[str, Act]:
        """What a practitioner would try first: a contextual bandit, popularity, the next thing."""
        rules: dict[str, Worth] = {
            "lin-ucb": guiding.lin_ucb,
            "most-popular": guiding.most_popular,
            "nearest": guiding.nearest,
        }
        return {name: partial(self._lead, worth=worth) for name, worth in rules.items()}


def _satisfaction(state: WorldState) -> FloatArray:
    """The mean satisfaction of the whole party, (worlds,)."""
    return np.asarray(state["satisfaction"].mean(1))
