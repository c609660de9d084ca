"""Changes an observation as the world could have been, and looks at what the agent would do then.

A baseline says nothing about a thing; here the thing is not there, as if it had never stood in the
world. If the reason that an attribution gives is the reason, what it names first changes most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.sensors.tokenizer import PAD
from als_plugins.encoders.stems import Form, form_of
from als_plugins.explaining.checks import rank_correlation
from als_plugins.explaining.parts import words_in

if TYPE_CHECKING:
    from als_plugins.explaining.attributions import Attribution
    from als_plugins.explaining.decisions import Decider
    from als_plugins.explaining.recording import Moment

__all__ = ["Edit", "WhatIf", "edits_of", "what_if"]

FEWEST: Final = 3
"""Edits that a ranking needs to say anything."""

SOUND: Final = "audio"


@dataclass(frozen=True)
class Edit:
    """One change of an observation.

    Attributes:
        sensor: the one that is changed. name: what is done, in words.
        array: what the sensor gives then.
        taken: (its shape) bool, where the values are that are taken away.
    """

    sensor: str
    name: str
    array: NDArray[Any]
    taken: NDArray[np.bool_]


@dataclass(frozen=True)
class WhatIf:
    """The effects of all edits of one observation.

    Attributes:
        edits: what was done, those with the largest effects first.
        given: (edits,), what the attribution says of what is taken away, in the number's unit.
        values: (edits,), the number of the action that was chosen, then.
        actions: (edits,), which action, or axis, comes first then.
        before: the number as it was seen.
    """

    edits: Sequence[Edit]
    given: NDArray[np.float64]
    values: NDArray[np.float64]
    actions: NDArray[np.int64]
    before: float

    @property
    def changes(self) -> NDArray[np.float64]:
        """(edits,), how the number changes."""
        return self.values - self.before

    @property
    def agreement(self) -> float | None:
        """Spearman's rank correlation of the reasons given with the falls; None for too few."""
        if len(self.edits) < FEWEST:
            return None
        return rank_correlation(self.given, -self.changes)

    @property
    def first_is_first(self) -> bool | None:
        """Whether what speaks most, for or against, is what changes most; None for too few."""
        if len(self.edits) < FEWEST:
            return None
        return int(np.abs(self.given).argmax()) == int(np.abs(self.changes).argmax())


def what_if(decider: Decider, moment: Moment, attribution: Attribution) -> WhatIf:
    """Makes every edit of a moment's observation."""
    named = {part.sensor for part in attribution.parts}
    edits = [
        e for e in edits_of(decider.observation_space, moment.observation) if e.sensor in named
    ]
    seen = {
        key: torch.as_tensor(np.array(array))[None] for key, array in moment.observation.items()
    }
    numbers = []
    for edit in edits:
        changed = {**seen, edit.sensor: torch.as_tensor(edit.array)[None]}
        with torch.no_grad():
            found = decider(changed, moment.memory, moment.masks)[0].double().numpy()
        numbers.append(found)
    given = [
        sum(
            float(amount)
            for part, amount in zip(attribution.parts, attribution.amounts, strict=True)
            if part.sensor == edit.sensor and (part.mask & edit.taken).any()
        )
        for edit in edits
    ]
    all_numbers = np.array(numbers).reshape(len(edits), len(moment.numbers))
    values = all_numbers[:, moment.target]
    before = float(moment.numbers[moment.target])
    order = np.argsort(-np.abs(values - before), kind="stable")
    size = all_numbers if decider.discrete else np.abs(all_numbers)
    return WhatIf(
        [edits[i] for i in order],
        np.array(given, np.float64)[order],
        values[order],
        size.argmax(1)[order],
        before,
    )


def edits_of(space: Any, observation: Mapping[str, NDArray[Any]]) -> Iterator[Edit]:
    """What can be taken out of an observation: a thing, a word, all sounds, a whole picture.

    Args:
        space: of the observation, a Dict.
        observation: key to an array, without rows.
    """
    from als_plugins.explaining.parts import parts_of

    for key, array in observation.items():
        form = form_of(space[key])
        if form is Form.THINGS:
            for part in parts_of(space, {key: array}):
                row = int(part.mask.any(1).argmax())
                left = np.delete(array, row, axis=0)
                yield Edit(key, f"without {part.name}", _filled(left, array, 0), part.mask)
        elif form is Form.WORDS:
            for word in words_in(array):
                places = list(word.places)
                taken = np.zeros(array.shape, np.bool_)
                taken[places] = True
                shown = word.text if word.text.startswith("<") else f"“{word.text}”"
                left = np.delete(array, places)
                yield Edit(key, f"without the word {shown}", _filled(left, array, PAD), taken)
        elif form is Form.PICTURE:
            mean = array.mean((0, 1), keepdims=True).astype(array.dtype)
            flat = np.ascontiguousarray(np.broadcast_to(mean, array.shape))
            yield Edit(key, f"with {key} covered", flat, np.ones(array.shape, np.bool_))
        elif key == SOUND and array.any():
            yield Edit(key, "in silence", np.zeros_like(array), np.ones(array.shape, np.bool_))


def _filled(left: NDArray[Any], array: NDArray[Any], empty: int) -> NDArray[Any]:
    """What is left, closed up, with what says "nothing" at the end."""
    filled = np.full_like(array, empty)
    filled[: len(left)] = left
    return filled
