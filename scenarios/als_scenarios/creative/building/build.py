"""`ALS/Build-v0`: builders stack blocks to a plan, to a sentence, or to something new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_USE
from als_engine.checks import one_of
from als_engine.navigation import Navigator
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Role, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray, IntArray
from als_engine.world.layout import Layout
from als_engine.world.state import Quantity, WorldState
from als_scenarios.creative.building import builders, crew, guidance, levels
from als_scenarios.creative.building.blocks import (
    BLOCKS,
    COLUMNS,
    LEVELS,
    MOST_PIECES,
    overlap,
    work,
    workable,
)
from als_scenarios.creative.building.builders import FINISHED
from als_scenarios.creative.building.guidance import BUILDERS, OPEN, PLAN, SENTENCE
from als_scenarios.creative.building.novelty import ARCHIVED, TRAITS, describe, novelty, valid
from als_scenarios.creative.building.sentences import FIELDS, constraints, met
from als_scenarios.creative.building.site import SiteSensor
from als_scenarios.creative.building.yard import (
    SITE,
    column_before,
    hand_over,
    put_laid,
    release,
)

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands, Possible

MODES: Final = ("plan", "sentence", "open")
ALIKE: Final = 0.9
"""The intersection over union from which a structure counts as the planned one."""

NEW: Final = 0.3
"""The novelty from which a structure counts as new."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight of each term of the reward.

    Attributes:
        structure: the change of how well the structure does, from 0 to 1.
        completion: for bringing a structure to its end.
        step: each step.
        guidance: shaping, for each metre that a builder comes closer to its next deed.
    """

    structure: float = 10.0
    completion: float = 5.0
    step: float = -0.005
    guidance: float = 0.2


WEIGHTS: Final = Weights()


class Build(Task):
    """Builders stack blocks into a structure like a plan, as a sentence says, or like no other.

    ## Description

    A yard with a low stage along its north wall. On the stage lies the site, 7 columns of 4 levels
    that are seen from the front. In the yard lie 8 cubes, of 0.35 m, and 2 beams, three times as
    long, in red, blue, yellow and green; nobody can push them about. A builder picks a block up,
    carries it to the site and uses a column (the action `use`): the block is laid on top of it, a
    beam with its middle. Who uses a column with an empty hand takes its top block off again.

    A block stays only where statics lets it: a beam needs a support under its middle or under both
    of its ends, and nothing stands on an end that hangs free. Otherwise the builder keeps it in
    hand. What is laid is fixed in place.

    What is to be built depends on the mode. In `plan` a drawing on the wall shows it: a tower,
    wall, arch, bridge, stairs, spire or letter in two colours. In `sentence` a board says it, such
    as "a red arch, taller than the blue tower", "a yellow wall, two blocks high" or "a green block
    on top of a red staircase". In `open` six structures hang on the wall, and a new one is to be
    built: one that differs from all of them. A builder who says "finished" then ends the episode.

    The first two avatars are builders. Further ones are helpers, who carry blocks about but cannot
    use the site. Whoever the caller does not drive is background and does not build: somebody who
    `fetches` far blocks nearer, who `watches`, who `wanders`; in the validation split also one who
    `inspects` the site and is in the way, in the test split one who `tidies` blocks away.

    Splits: a plan is about a shape and its two colours, a sentence about its kinds, colours,
    relation and height. Both are divided between the splits for ever: about half are training's, a
    third the test split's and a sixth validation's. The letter U is planned in validation only, the
    letters H and O in the test split only. The structures of the mode `open` are plans of the
    split.

    ## Observations

    By default `site`, `entities` and `proprioception`; `rgb`, `text` and all others of the engine
    on request. `site` is float32 (341,): the structure and the plan cell by cell, the sentence as
    one-hot numbers, in `open` the descriptors of the six structures and of this one, the block in
    hand, the column before the builder, and the nearest block of each form and colour; see
    `SiteSensor` for every column. The mode `sentence` shows no answer, only what the sentence says.
    The instruction in `text` has the sentence in words.

    ## Actions

    The engine's discrete, continuous or factored actions: `pick up` takes the nearest block within
    0.9 m, `use` uses the nearest column, `put down` lays a block on the floor. Avatars can say
    "finished", "mine" and "wait"; only the first has an effect, and only in the mode `open` when a
    builder says it of a structure that counts. Masks rule out what would change nothing: picking up
    where no block is in reach, using a column on which nothing can be laid or taken off, and
    "finished" too early.

    ## Rewards

    The terms are called `structure`, `completion`, `guidance` and `time`; all but `guidance` are
    shared by everyone.

    | term | reward |
    | --- | --- |
    | `structure` | 10 times the change of the structure's score |
    | `completion` | +5 when the structure is complete, which ends the episode; in `open` only for \
a new one |
    | `guidance` | 0.2 for each metre that a builder comes closer to its next deed |
    | `time` | -0.005 a step |

    The score is, in `plan`, the intersection over union with the plan: cells of the right colour
    over cells that either fills. In `sentence` it is the share of constraints met. In `open` it is
    the novelty of a structure that counts (at least 6 cells, in one piece), and 0 of another one.

    `guidance` is potential-based (Ng, Harada and Russell 1999): minus the distance to the nearest
    column that wants the block in hand, or with no such block in hand 1.5 m more than the distance
    to the nearest one that is wanted. A colour is wanted when the plan lacks it, or the sentence
    names it. The potential is 0 at the end of an episode. The expert's return is about 14 in
    `plan` and `sentence` and 8 in `open`, that of random actions about -2.4.

    ## Episode end

    Terminated when the structure is the plan, when all constraints are met, or in `open` when a
    builder says "finished" and the structure counts. Truncated after 600 steps. It is a success
    when, in `plan`, the intersection over union is at least 0.9, in `sentence` all constraints are
    met, in `open` the structure counts and its novelty is at least 0.3. The expert takes about 300
    steps alone and 180 together with another.

    ## Arguments

    - `num_avatars` (2): 1 to 4, up to two builders and then helpers.
    - `mode` ("plan"): "plan", "sentence" or "open".

    ## Metrics

    - `success`: see above.
    - `iou`: intersection over union with the plan; 0 in the other modes.
    - `constraints_met`: the share of the sentence's constraints; 0 in the other modes.
    - `novelty`: mean distance of the structure's descriptor to the three nearest of six plans of
      the split; the six on the wall in `open`.
    - `placed`: blocks that stand at the site.
    - `height`, `width`, `colours`, `symmetry`: of the structure, in blocks, columns, colours, and
      as the share of cells whose mirror image is filled. They are part of the descriptor
      (`novelty.describe`); how diverse an agent's structures are over episodes is the mean distance
      of their descriptors (`novelty.diversity`).

    ## References

    Novelty is that of Lehman and Stanley (2011), "Abandoning Objectives: Evolution Through the
    Search for Novelty Alone", Evolutionary Computation 19(2), https://doi.org/10.1162/EVCO_a_00025.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("site", "entities", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = (FINISHED, "mine", "wait")
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"site": SiteSensor}
    reward_names: ClassVar[tuple[str, ...]] = ("structure", "completion", "guidance", "time")

    def __init__(self, num_avatars: int = 2, mode: str = "plan") -> None:
        """Makes the yard.

        Raises:
            ArgumentError: `mode` is none of the three.
        """
        super().__init__(num_avatars)
        self.mode = MODES.index(one_of("mode", mode, MODES))
        # A cache of the ways through each world's yard; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """Two builders, told apart by their clothes, then helpers."""
        crew = [Role("builder", Body(color="orange")), Role("builder", Body(color="purple"))]
        helpers = [Role("helper", Body(color="teal"))] * (self.num_avatars - BUILDERS)
        return [*crew[: self.num_avatars], *helpers]

    def quantities(self) -> Mapping[str, Quantity]:
        """What is asked for, what stands, how well it does, and what this step brought."""
        cells = (COLUMNS, LEVELS)
        return {
            "mode": Quantity((), np.int8, self.mode),
            "paint": Quantity((BLOCKS,), np.int8),
            "plan": Quantity(cells, np.int8),
            "sentence": Quantity((FIELDS,), np.int8, NOTHING),
            "archive": Quantity((ARCHIVED, len(TRAITS))),
            "pieces": Quantity((MOST_PIECES, 4), np.int8, NOTHING),
            "grid": Quantity(cells, np.int8),
            "block": Quantity(cells, np.int8, NOTHING),
            "bears": Quantity(cells, np.bool_, False),
            "traits": Quantity((len(TRAITS),)),
            "novelty": Quantity(),
            "counts": Quantity((), np.bool_, False),
            "score": Quantity(),
            "progress": Quantity(),
            "complete": Quantity((), np.bool_, False),
            "bonus": Quantity((), np.bool_, False),
            "away": Quantity((self.num_avatars,)),
            "closer": Quantity((self.num_avatars,)),
            "about": Quantity((ARCHIVED,), np.int32, NOTHING),
            "errand": Quantity((self.num_avatars,), np.int32),
        }

    def concepts(self, layout: Layout) -> set[Any]:
        """What a level is about: a plan, a sentence, or the plans on the wall."""
        return levels.concepts(layout)

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A plan, a sentence or an archive of the level's split, and a yard with blocks for it."""
        return levels.draw(rng, split_of(level), self.mode, self.num_avatars)

    # -- what happens -----------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Measures the empty site, and lets people look around."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        release(state, worlds)
        self._navigator.refresh(worlds)
        self._measure(state, worlds)
        away = guidance.distances(state, self.mode, np.zeros(state.num_worlds, np.bool_))
        state["away"][worlds] = away[worlds]

    def after_step(self, state: WorldState) -> None:
        """Lets builders work at the site, and measures what has changed."""
        before, complete = state["score"].copy(), state["complete"]
        column = state.events.used - SITE
        column[:, BUILDERS:] = NOTHING  # Helpers do not build.
        if (column >= 0).any():
            self._work(state, column)
        if self.mode == OPEN:
            said = state.avatars.utterance[:, :BUILDERS] == self.utterances.index(FINISHED)
            complete |= said.any(1) & state["counts"]
            state["bonus"][:] = complete & (state["novelty"] >= NEW)
        else:
            complete[:] = state["score"] == 1.0
            state["bonus"][:] = complete
        state["progress"][:] = state["score"] - before
        self._look_around(state)
        over = complete | (state.step >= state.max_episode_steps)
        away = guidance.distances(state, self.mode, over)
        state["closer"][:] = state["away"] - away
        state["away"][:] = away

    def _work(self, state: WorldState, column: IntArray) -> None:
        """Lays blocks on the columns that are used, (worlds, avatars), or takes others off."""
        laid = np.full((*column.shape, 3), NOTHING, np.int32)
        taken = np.full_like(column, NOTHING)
        site = (state["grid"], state["block"], state["bears"])
        work(column, state.avatars.held, state["paint"], site, laid, taken)
        put_laid(state, laid)
        hand_over(state, taken)
        changed = ((laid[..., 0] >= 0) | (taken >= 0)).any(1)
        if changed.any():
            self._measure(state, np.flatnonzero(changed))

    def _look_around(self, state: WorldState) -> None:
        """Lets the navigator see which blocks were picked up, put down, laid or taken off."""
        stirred = state.moved[:, :BLOCKS].any(1)
        if stirred.any() and self._navigator is not None:
            self._navigator.refresh(stirred)

    def _measure(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Finds out how well the structures of some worlds do."""
        grid = state["grid"][worlds]
        traits, counts = describe(grid), valid(grid)
        new = np.where(counts, novelty(traits, state["archive"][worlds]), 0.0)
        state["traits"][worlds], state["counts"][worlds] = traits, counts
        state["novelty"][worlds] = new
        if self.mode == PLAN:
            state["score"][worlds] = overlap(grid, state["plan"][worlds])
        elif self.mode == SENTENCE:
            said = state["sentence"][worlds]
            state["score"][worlds] = met(grid, said) / constraints(said)
        else:
            state["score"][worlds] = new

    # -- what counts ------------------------------------------------------------------------------

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms, (worlds, avatars)."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """The structure's progress, its completion, shaping and time, weighted by `WEIGHTS`."""
        return {
            "structure": self.everyone(WEIGHTS.structure * state["progress"]),
            "completion": self.everyone(WEIGHTS.completion * state["bonus"]),
            "guidance": WEIGHTS.guidance * state["closer"],
            "time": self.everyone(np.full(state.num_worlds, WEIGHTS.step)),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """The structure is complete, or in the mode `open` said to be."""
        return np.asarray(state["complete"].copy())

    def success(self, state: WorldState) -> BoolArray:
        """The structure is like the plan, as the sentence says, or new."""
        least = {PLAN: ALIKE, SENTENCE: 1.0, OPEN: NEW}[self.mode]
        return np.asarray(state["score"] >= least)

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """How well the structure does, and what it is like."""
        traits, score = state["traits"], state["score"]
        nothing = np.zeros(state.num_worlds)
        stands = (state["block"][..., None] == np.arange(BLOCKS)).any((1, 2))
        return {
            "iou": score.copy() if self.mode == PLAN else nothing,
            "constraints_met": score.copy() if self.mode == SENTENCE else nothing.copy(),
            "novelty": state["novelty"].copy(),
            "placed": stands.sum(1),
            "height": np.rint(LEVELS * traits[:, 0]).astype(np.int64),
            "width": np.rint(COLUMNS * traits[:, 1]).astype(np.int64),
            "colours": np.rint(4 * traits[:, 3]).astype(np.int64),
            "symmetry": traits[:, 4].copy(),
        }

    def action_mask(self, state: WorldState, possible: Possible) -> None:
        """Hands reach for what is there, use what changes something, and nobody ends too early."""
        workable_now: BoolArray = np.zeros(state.avatars.held.shape, np.bool_)
        site = (state["grid"], state["block"], state["bears"])
        workable(column_before(state), state.avatars.held, site, workable_now)
        workable_now[:, BUILDERS:] = False
        possible.hand[..., HAND_USE] &= workable_now
        possible.hand[..., HAND_PICK_UP] &= crew.at_hand(state) != NOTHING
        ends = self.everyone(state["counts"] & (self.mode == OPEN)) > 0
        ends[:, BUILDERS:] = False
        possible.say[..., self.utterances.index(FINISHED)] &= ends

    # -- who is there -----------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """People who do not build; "inspects" and "tidies" are held out of training."""
        return {
            "fetches": Behaviour(partial(self._find_way, crew.fetches)),
            "watches": Behaviour(partial(self._find_way, crew.watches)),
            "wanders": Behaviour(partial(self._find_way, crew.wanders)),
            "inspects": Behaviour(partial(self._find_way, crew.inspects), splits=("validation",)),
            "tidies": Behaviour(partial(self._find_way, crew.tidies), splits=("test",)),
        }

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Lays an answer that the level knows, block by block from the bottom up."""
        self._find_way(builders.expert, state, who, commands)

    def heuristics(self) -> Mapping[str, Act]:
        """Bottom-up with any block, and the nearest block of a colour that is needed next."""
        return {
            "bottom-up": partial(self._find_way, builders.bottom_up),
            "nearest-block": partial(self._find_way, builders.nearest_block),
        }

    def _find_way(
        self,
        act: Callable[[WorldState, BoolArray, Commands, Navigator], None],
        state: WorldState,
        who: BoolArray,
        commands: Commands,
    ) -> None:
        assert self._navigator is not None
        act(state, who, commands, self._navigator)
