"""The kinds of pupil: clusters of parameters of the models in `knowledge`.

Chances to guess and to slip keep to the bounds of the tutor for which knowledge tracing was made,
at most 0.3 and 0.1 (Corbett and Anderson 1995; Baker, Corbett and Aleven 2008, "More Accurate
Student Modeling Through Contextual Estimation of Slip and Guess Probabilities", ITS 2008). Chances
to learn keep to those from which `pyBKT` starts its fits (`random_model_uni`), 0 to 0.4 (Badrinath,
Wang and Pardos 2021, "pyBKT: An Accessible Python Library of Bayesian Knowledge Tracing Models",
EDM 2021). That pupils differ in what they know beforehand and in how fast they learn, and by how
much that matters: Pardos and Heffernan 2010, "Modeling Individualization in a Bayesian Networks
Implementation of Knowledge Tracing", UMAP 2010; Yudelson, Koedinger and Gordon 2013,
"Individualized Bayesian Knowledge Tracing Models", AIED 2013. Chances to forget belong to the
compressed time of a lesson, and how attention falls and recovers is not published in such a form:
those numbers are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of pupil: from where to where each parameter of its pupils is drawn, uniformly.

    Attributes:
        name: of the kind.
        split: the only one in which it is met.
        prior: the chance to know a skill beforehand, of whose prerequisites it lacks none.
        learn: the chance to learn at an opportunity, at full attention.
        guess: the chance of a right answer without the skill.
        slip: the chance of a wrong answer with it.
        forget: the chance to forget a skill in a period of `knowledge.PERIOD` steps.
        boredom: the part of its attention that it loses where it knows what it is told.
        overload: the part that it loses where it lacks a prerequisite.
        rest: the attention to which it recovers.
    """

    name: str
    split: Split
    prior: Range = (0.5, 0.65)
    learn: Range = (0.25, 0.32)
    guess: Range = (0.15, 0.25)
    slip: Range = (0.04, 0.1)
    forget: Range = (0.002, 0.006)
    boredom: Range = (0.2, 0.3)
    overload: Range = (0.2, 0.3)
    rest: Range = (0.85, 0.95)


KINDS: Final = (
    Kind("steady", "train"),
    Kind("quick", "train", prior=(0.6, 0.75), learn=(0.34, 0.4), boredom=(0.3, 0.4)),
    Kind("forgetful", "train", learn=(0.28, 0.36), forget=(0.012, 0.018)),
    Kind("guesser", "train", prior=(0.4, 0.55), guess=(0.25, 0.3), slip=(0.02, 0.06)),
    Kind("careless", "validation", learn=(0.3, 0.36), slip=(0.09, 0.1), guess=(0.1, 0.2)),
    Kind("dreamer", "validation", prior=(0.5, 0.65), rest=(0.7, 0.8)),
    Kind("slow starter", "test", prior=(0.25, 0.4), overload=(0.35, 0.45)),
    Kind("easily bored", "test", prior=(0.6, 0.75), boredom=(0.45, 0.55)),
    Kind("crammer", "test", learn=(0.36, 0.4), forget=(0.01, 0.015), rest=(0.8, 0.9)),
)
"""Each kind is met in one split only."""

_DRAWN: Final = tuple(each.name for each in fields(Kind))[2:]


def kinds_of(split: Split) -> list[int]:
    """The numbers of a split's kinds."""
    return [i for i, kind in enumerate(KINDS) if kind.split == split]


def draw(
    rng: np.random.Generator, kind: int, needs: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Draws a pupil of a kind.

    Args:
        rng: the level's generator.
        kind: index into `KINDS`.
        needs: (skills, skills), which skill needs which.

    Returns:
        Its traits, in the order of `knowledge.TRAITS`, and the skills that it knows, (skills,): a
        skill is known beforehand only by who knows all that it needs.
    """
    ranges = np.array([getattr(KINDS[kind], name) for name in _DRAWN])
    prior, *traits = rng.uniform(ranges[:, 0], ranges[:, 1]).tolist()
    lucky = (rng.random(len(needs)) < prior).tolist()
    known: NDArray[np.bool_] = np.zeros(len(needs), np.bool_)
    for skill, row in enumerate(needs):  # What a skill needs comes before it.
        known[skill] = lucky[skill] and bool(known[row].all())
    return np.array(traits), known
