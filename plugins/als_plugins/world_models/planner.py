"""`planner`: acts by what a world model thinks would come of many courses of action.

The cross-entropy method (Rubinstein 1999) draws courses, and fits what it draws next to the best;
MPPI (Williams et al. 2017) weighs all of them by what they earn. What is drawn depends on how many
steps an episode has had, and each row is planned for by itself: so a row's actions are the same,
whatever the other rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from als_engine.agents.agent import Agent, Observation
from als_engine.agents.saving import WEIGHTS
from als_engine.errors import ArgumentError
from als_engine.seeding import spread
from als_engine.system.safe_files import write_tensors
from als_plugins.learners.hyperparameters import Rate, parse
from als_plugins.learners.setup import few_threads
from als_plugins.world_models.codes import ActionCode
from als_plugins.world_models.ensemble import Ensemble
from als_plugins.world_models.saving import Learnt, Size, learnt_arrays, load_learnt, read_learnt

__all__ = ["Planner", "PlannerParameters"]

Floats = NDArray[np.float32]

_LEAST: float = 0.1
"""No deviation becomes smaller, and no choice less likely than this share of an even one."""


class PlannerParameters(BaseModel):
    """What a planner is made with.

    Attributes:
        model: the folder of `als model`; None where what is below says it, as in saved agents.
        size, numbers: of the model.
        method: "cem" or "mppi".
        blocks: actions that are planned ahead. block: steps that each is kept for.
        courses: of action that are drawn. rounds: how often.
        elite: the part of them that "cem" fits to.
        temperature: of "mppi", in deviations of what the courses earn.
        members: of the ensemble that are asked.
        gamma: the discount of a step.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=4_000)] | None = None
    size: Size | None = None
    numbers: Annotated[int, Field(ge=1, le=1 << 20)] | None = None
    method: Literal["cem", "mppi"] = "cem"
    blocks: Annotated[int, Field(ge=1, le=100)] = 5
    block: Annotated[int, Field(ge=1, le=100)] = 3
    courses: Annotated[int, Field(ge=4, le=10_000)] = 48
    rounds: Annotated[int, Field(ge=1, le=50)] = 3
    elite: Annotated[float, Field(gt=0.0, le=1.0)] = 0.15
    temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 0.3
    members: Annotated[int, Field(ge=1, le=32)] = 2
    gamma: Rate = 0.99


@dataclass
class _Row:
    """What is planned in a row.

    Attributes:
        step: of its episode. left: steps until it plans anew.
        action: the code of what it does meanwhile. hope: what courses are drawn around.
    """

    step: int
    left: int
    action: Floats
    hope: Hope


class Hope:
    """What courses are drawn from, (blocks, numbers): normal, or the chances of choices.

    Attributes:
        middle: means, or chances. deviation: of the numbers; 0 for choices.
    """

    def __init__(self, code: ActionCode, blocks: int) -> None:
        """Knows nothing: every course is as likely."""
        self._choices, self._even = code.choices, np.zeros(code.size)
        if code.choices:
            self._even = np.concatenate([np.full(n, 1.0 / n) for n in code.choices])
        self.middle = np.tile(self._even, (blocks, 1))
        self.deviation = np.full_like(self.middle, 0.0 if code.choices else 0.7)

    def later(self) -> None:
        """One block is over: what was planned for later is near, and the last one is open."""
        self.middle = np.roll(self.middle, -1, axis=0)
        self.middle[-1] = self._even
        self.deviation[:] = 0.0 if self._choices else 0.7

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Some courses, (count, blocks, numbers), of action codes."""
        shape = (count, *self.middle.shape)
        if not self._choices:
            noise = rng.standard_normal(shape)
            drawn = np.clip(self.middle + self.deviation * noise, -1.0, 1.0)
            return drawn.astype(np.float32)
        scores = np.log(self.middle) + rng.gumbel(size=shape)
        found, first = np.zeros(shape, np.float32), 0
        for n in self._choices:
            part = scores[..., first : first + n]
            np.put_along_axis(
                found[..., first : first + n], part.argmax(-1)[..., None], 1.0, axis=-1
            )
            first += n
        return found

    def fit(self, courses: Floats, weights: NDArray[np.float64], narrow: bool) -> None:
        """Moves to courses, (count, blocks, numbers), by their weights, which add up to 1."""
        middle = np.einsum("c,cbn->bn", weights, courses)
        if self._choices:
            self.middle = (1.0 - _LEAST) * middle + _LEAST * self._even
            return
        if narrow:
            apart = np.einsum("c,cbn->bn", weights, (courses - middle) ** 2)
            self.deviation = np.maximum(np.sqrt(apart), _LEAST)
        self.middle = middle


class Planner(Agent):
    """Plans over an ensemble; see the module."""

    id: ClassVar[str] = "planner"
    paths: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **config: Any,
    ) -> None:
        """Reads the model.

        Raises:
            ArgumentError: an argument is not allowed, there is no model, it is no ensemble, or it
                is of other observations or actions.
            SavedFileError: the model cannot be read.
        """
        given = parse(self.id, PlannerParameters, config)
        self._learnt: Learnt | None = None
        if given.model is not None:
            learnt, _ = read_learnt(given.model)
            _check_same(given.model, learnt, observation_space, action_space)
            self._take(learnt)
            what = {"model": None, "size": learnt.size, "numbers": learnt.code.size}
            given = given.model_copy(update=what)
        if given.size is None or given.numbers is None:
            raise ArgumentError("name what to plan with: planner:model=FOLDER, of `als model`")
        self.parameters = given
        super().__init__(observation_space, action_space, **given.model_dump())

    def _take(self, learnt: Learnt) -> None:
        if not isinstance(learnt.model, Ensemble):
            raise ArgumentError(f"a planner needs an ensemble, not a {learnt.size.kind} model")
        self._learnt = learnt

    # -- saving -----------------------------------------------------------------------------------

    def save_weights(self, folder: Path) -> None:
        """Writes the model."""
        assert self._learnt is not None
        write_tensors(folder / WEIGHTS, learnt_arrays(self._learnt))

    def load_weights(self, folder: Path) -> None:
        """Reads the model.

        Raises:
            SavedFileError: it is not of this size, or damaged.
        """
        given = self.parameters
        assert given.size is not None
        assert given.numbers is not None
        self._take(
            load_learnt(
                folder / WEIGHTS,
                given.size,
                given.numbers,
                self.observation_space,
                self.action_space,
            )
        )

    # -- acting -----------------------------------------------------------------------------------

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Plans for every row whose last plan is used up; the state is a list of rows."""
        assert self._learnt is not None
        learnt = self._learnt
        seen = learnt.code(observation)
        rows: list[_Row | None] = [None] * len(seen) if state is None else list(state)
        with few_threads(self.observation_space), torch.no_grad():
            after = [self._row(learnt, seen[i], row) for i, row in enumerate(rows)]
        return learnt.actions.back(np.stack([row.action for row in after])), after

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Forgets the plans of rows that begin."""
        before: list[_Row | None] = [None] * len(rows) if state is None else list(state)
        return [None if begins else row for row, begins in zip(before, rows.tolist(), strict=True)]

    def _row(self, learnt: Learnt, seen: Floats, row: _Row | None) -> _Row:
        given = self.parameters
        if row is not None and row.left:
            return _Row(row.step + 1, row.left - 1, row.action, row.hope)
        if row is None:
            row = _Row(0, 0, seen[:0], Hope(learnt.actions, given.blocks))
        else:
            row.hope.later()
        action = self._plan(learnt, seen, row)
        return _Row(row.step + 1, given.block - 1, action, row.hope)

    def _plan(self, learnt: Learnt, seen: Floats, row: _Row) -> Floats:
        given, hope = self.parameters, row.hope
        rng = np.random.default_rng(spread("courses of a planner", row.step))
        best: tuple[float, Floats] | None = None
        for _ in range(given.rounds):
            courses = hope.draw(rng, given.courses)
            earned = self._earned(learnt, seen, courses)
            first = int(earned.argmax())
            if best is None or earned[first] > best[0]:
                best = float(earned[first]), courses[first, 0]
            hope.fit(courses, self._weights(earned), given.method == "cem")
        assert best is not None
        # What all courses agree on, or of choices what the best one begins with.
        if learnt.actions.choices or given.method == "cem":
            return best[1]
        middle: Floats = hope.middle[0].astype(np.float32)
        return middle

    def _weights(self, earned: NDArray[np.float64]) -> NDArray[np.float64]:
        given = self.parameters
        if given.method == "cem":
            count = max(1, round(given.elite * len(earned)))
            weights = np.zeros(len(earned))
            weights[np.argsort(-earned, kind="stable")[:count]] = 1.0 / count
            return weights
        scaled = (earned - earned.max()) / (given.temperature * (earned.std() + 1e-6))
        likely: NDArray[np.float64] = np.exp(scaled)
        likely /= likely.sum()
        return likely

    def _earned(self, learnt: Learnt, seen: Floats, courses: Floats) -> NDArray[np.float64]:
        """What each course earns, mean over members, as far as the episode would go on."""
        given, model = self.parameters, learnt.model
        assert isinstance(model, Ensemble)
        members = min(given.members, model.members)
        state = torch.from_numpy(seen).expand(members, len(courses), -1)
        total = torch.zeros(members, len(courses))
        alive, worth = torch.ones_like(total), 1.0
        mean, deviation = learnt.reward.tolist()
        for block in range(given.blocks):
            action = torch.from_numpy(courses[:, block]).expand(members, -1, -1)
            for _ in range(given.block):
                guess = model.each_step(state, action)
                total += worth * alive * (guess.reward * deviation + mean)
                alive = alive * (1.0 - guess.end)
                state, worth = guess.observation.clamp(-10.0, 10.0), worth * given.gamma
        found: NDArray[np.float64] = total.mean(0).double().numpy()
        return found


def _check_same(
    folder: str, learnt: Learnt, space: gymnasium.spaces.Dict, actions: gymnasium.Space[Any]
) -> None:
    """Refuses a model of other observations or actions.

    Raises:
        ArgumentError: says which, and how to get them.
    """
    sensors = ",".join(learnt.code.space.spaces)
    if learnt.code.space != space:
        raise ArgumentError(
            f"{folder} is a model of other observations: try --sensors {sensors}, and the "
            "arguments that its dataset was collected with"
        )
    if learnt.actions.space != actions:
        raise ArgumentError(
            f"{folder} is a model of the actions {learnt.actions.space}, not {actions}: "
            "try --arg action_mode=..., as its dataset was collected with"
        )
