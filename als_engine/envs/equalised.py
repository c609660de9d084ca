"""Trains for the groups of people that an agent serves worst: `als train --equalise`.

`EqualisedRows` stands between a learner and its worlds, so that no learner knows of it. At the end
of an episode it adds to the reward what became of each group (`Task.outcomes`), less what became of
it lately, weighted by

    weight * exp(-sharpness * mean_g) / sum_h exp(-sharpness * mean_h)

This is the gradient of the soft minimum of all groups' mean outcomes: a smooth form of the worst
group's, as in Sagawa et al. (2020), "Distributionally robust neural networks for group shifts".
Nobody is to be served worse for it. With a sharpness of 0 all groups count alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from als_engine.envs.rows import RowsWrapper
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.geometry import portable_math as pmath
from als_engine.limits import STEPS
from als_engine.models import Model, read_model
from als_engine.system.files import write_text
from als_engine.world.arrays import FloatArray

if TYPE_CHECKING:
    from als_engine.agents.training_folder import Equalise
    from als_engine.envs.batch import Arrays
    from als_engine.envs.rows import Rows

__all__ = ["EqualisedRows", "equalised"]

STATE: Final = "equalising.json"
LATELY: Final = 50
"""Over how many people of a group its mean outcome is taken, about."""


def equalised(rows: Rows, settings: Equalise, checkpoint: Path | None) -> Any:
    """The rows of a training for the worst served, as it was at a checkpoint.

    Args:
        rows: belong to the view from now on; they are closed where there is none.
        settings: how much groups count.
        checkpoint: where it goes on from; None at the beginning.

    Raises:
        ArgumentError: the scenario does not say what becomes of groups.
        SavedFileError: the checkpoint has no such state, or it is damaged.
    """
    try:
        made = EqualisedRows(rows, settings)
        if checkpoint is not None:
            made.load(checkpoint)
    except BaseException:
        rows.close()
        raise
    return made


class State(Model):
    """Schema of `equalising.json`.

    Attributes:
        people: of each group, that were met. means: of their outcomes lately.
    """

    people: list[Annotated[int, Field(ge=0, le=STEPS)]] = Field(max_length=1_000)
    means: list[float] = Field(max_length=1_000)


class EqualisedRows(RowsWrapper):
    """Rows whose rewards have the outcomes of groups in them; returns are reported without.

    Attributes:
        means: (groups,), outcomes lately; 0 before any.
        people: (groups,), how many were met.
    """

    inner: Rows

    def __init__(self, rows: Rows, settings: Equalise) -> None:
        """Wraps rows.

        Args:
            rows: belong to this view from now on.
            settings: how much groups count.

        Raises:
            ArgumentError: the scenario does not say what becomes of groups.
        """
        if not rows.groups:
            raise ArgumentError(
                f"{rows.scenario} does not say what becomes of groups of people, so that nothing "
                "can be equalised"
            )
        super().__init__(rows)
        self._settings = settings
        self.people = np.zeros(len(rows.groups), np.int64)
        self.means: FloatArray = np.zeros(len(rows.groups))
        self._rewards: FloatArray = np.zeros(rows.num_rows)

    @property
    def weights(self) -> FloatArray:
        """(groups,), how much each counts; groups that were not met yet count nothing."""
        met = self.people > 0
        if not met.any():
            return np.zeros(len(met))
        lowest = self.means[met].min()
        found = np.where(met, pmath.exp(-self._settings.sharpness * (self.means - lowest)), 0.0)
        weights: FloatArray = self._settings.weight * found / found.sum()
        return weights

    def step(self, actions: ArrayLike) -> Arrays:
        """See `Rows.step`."""
        self.inner.step(actions)
        try:
            self._rewards = self.inner.rewards.copy()
            ended = np.flatnonzero(self.inner.ended_worlds)
            if len(ended):
                gained = np.zeros(self.inner.num_worlds)
                gained[ended] = self._gained(ended)
                self._rewards += np.repeat(gained, self.inner.observers)
        except BaseException:
            self.inner.spoil()
            raise
        return self.inner.observations

    def _gained(self, ended: NDArray[np.intp]) -> FloatArray:
        """What is added in some worlds; takes note of their outcomes."""
        found = self.inner.final_outcomes
        people, sums = found["people"][ended], found["sums"][ended]
        above = np.where(people > 0, sums / np.maximum(people, 1) - self.means, 0.0)
        gained: FloatArray = (above * self.weights).sum(1)
        for group, new in enumerate(people.sum(0).tolist()):
            if new:
                self.people[group] += new
                part = min(1.0, new / min(int(self.people[group]), LATELY))
                self.means[group] += part * (sums[:, group].sum() / new - self.means[group])
        return gained

    @property
    def rewards(self) -> FloatArray:
        """(rows,), with the outcomes of episodes that the last step has ended."""
        return self._rewards

    def numbers(self) -> dict[str, float]:
        """What is logged: the mean outcome and the weight of each group."""
        names, weights = self.inner.groups, self.weights
        found = {f"outcomes/{name}": float(m) for name, m in zip(names, self.means, strict=True)}
        found |= {f"outcomes/weight of {n}": float(w) for n, w in zip(names, weights, strict=True)}
        return found

    def save(self, checkpoint: Path) -> None:
        """Writes its state into the folder of a checkpoint."""
        state = State(people=self.people.tolist(), means=self.means.tolist())
        write_text(checkpoint / STATE, state.model_dump_json() + "\n")

    def load(self, checkpoint: Path) -> None:
        """Goes on from a checkpoint.

        Raises:
            SavedFileError: it has no such state, or that of other groups.
        """
        state = read_model(checkpoint / STATE, State)
        if not len(state.people) == len(state.means) == len(self.means):
            raise SavedFileError(f"{checkpoint / STATE} is of other groups of people")
        self.people[:], self.means[:] = state.people, state.means
