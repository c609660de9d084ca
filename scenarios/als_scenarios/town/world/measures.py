"""What is counted in a day of `ALS/World-v0`, and what helpers cannot do now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_USE
from als_engine.world.arrays import NOTHING
from als_engine.world.state import Quantity, WorldState
from als_scenarios.town.world.deeds import COME_ALONG, GO_TO, HERE_YOU_ARE
from als_scenarios.town.world.errands import (
    DONE,
    HEARD,
    LISTENS,
    MISTAKES_NOW,
    OPEN,
    OPENED_AT,
    STATUS,
    TASK,
    TURNED,
    WITHDRAWN,
)
from als_scenarios.town.world.items import DELIVER, GUIDE, TASKS, TELL
from als_scenarios.town.world.reach import aims

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Possible


def quantities() -> dict[str, Quantity]:
    """Declares what is counted: `asked` and `done` by task, mistakes, and steps in all."""
    counts = Quantity((len(TASKS),), np.int32)
    return {
        "asked": counts,
        "done": counts,
        "mistakes": Quantity((), np.int32),
        "took": Quantity((), np.int64),
    }


def count(state: WorldState) -> None:
    """Counts what was asked, done and withdrawn in a step, and how long it took."""
    book, mistakes = state["book"], state["mistakes"]
    turned = book[..., TURNED]
    mistakes += state["flags"][:, MISTAKES_NOW]
    if not turned.any():
        return
    kinds = book[..., TASK, None] == np.arange(len(TASKS))
    asked, done, took = state["asked"], state["done"], state["took"]
    asked += (kinds & (turned == OPEN)[..., None]).sum(1, dtype=np.int32)
    asked -= (kinds & (turned == WITHDRAWN)[..., None]).sum(1, dtype=np.int32)
    done += (kinds & (turned == DONE)[..., None]).sum(1, dtype=np.int32)
    took += ((state.step[:, None] - book[..., OPENED_AT]) * (turned == DONE)).sum(1)


def metrics(state: WorldState) -> Mapping[str, NDArray[Any]]:
    """The share done of each task, how long errands took, mistakes, and the town."""
    asked, done = state["asked"], state["done"]
    shares, every = done / np.maximum(asked, 1), done.sum(1)
    return {
        "done": every / np.maximum(asked.sum(1), 1),
        **{name: shares[:, k].copy() for k, name in enumerate(TASKS)},
        **{f"asked_{name}": asked[:, k].copy() for k, name in enumerate(TASKS)},
        "steps_per_errand": state["took"] / np.maximum(every, 1),
        "mistakes": state["mistakes"].copy(),
        "well_being": state["well_being"].mean(1),
    }


def rule_out(state: WorldState, possible: Possible) -> None:
    """A hand is of use at a post or the pillow, words where they can mean something."""
    helpers, book = state["hand"].shape[1], state["book"]
    possible.hand[:, :helpers, HAND_USE] &= aims(state, helpers) != NOTHING
    known = book[..., HEARD : HEARD + helpers] >= LISTENS
    stands = (known & (book[..., STATUS] == OPEN)[..., None]).transpose(0, 2, 1)
    task, say, table = book[:, None, :, TASK], possible.say[:, :helpers], state.speech.sentence
    say[..., table[COME_ALONG, 0]] &= (stands & (task == GUIDE)).any(2)
    say[..., table[HERE_YOU_ARE, 0]] &= state["hand"][..., 0] == DELIVER
    say[..., table[GO_TO]] &= (stands & (task == TELL)).any(2)[..., None]
