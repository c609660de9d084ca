"""What a level of `ALS/Gathering-v0` draws: who comes, how they feel, and who tries the door."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split
from als_engine.world.arrays import NOTHING
from als_scenarios.social.gathering.cues import face_of, gait_of, shown
from als_scenarios.social.gathering.faces import looks
from als_scenarios.social.gathering.feelings import homes, quadrant
from als_scenarios.social.gathering.house import CLOTHES
from als_scenarios.social.gathering.people import COMBINATIONS, COMBINATIONS_OF, pool

INVITED: Final = 4
"""How many people may enter the private room."""
MOST_CLAIMS: Final = 4

FIRST_CLAIM, BETWEEN_CLAIMS, CLAIM_JITTER = 40, 100, 20
"""When guests go to the door, steps: the first, the others after it, and at most so much later."""

ACQUAINTED: Final = 0.3
"""How likely two guests know each other at first."""
BURDENED: Final = 0.4
"""The share of the guests on whom something weighs at first."""
MISHAPS: Final = 2
FIRST_MISHAP, LAST_MISHAP = 90, 330
"""Between which steps mishaps happen."""
NEVER: Final = 1 << 20


class Company(NamedTuple):
    """Who comes, and who may enter.

    Attributes:
        person: (guests,).
        invited: (INVITED,), of whom some are not there.
        claims: (guests,), whose name a guest will give, an index into `invited`, or NOTHING.
        due: (guests,), the step from which a guest goes to the door.
    """

    person: NDArray[Any]
    invited: NDArray[Any]
    claims: NDArray[Any]
    due: NDArray[Any]


def invite(rng: np.random.Generator, guests: int, split: Split) -> Company:
    """Draws the guests, the invited, and who claims to be whom.

    Impostors take the names of absent people of their own sex. There are about as many women as
    men, at least one impostor, and at least one invited person who wants to enter.
    """
    women = guests // 2 + int(guests % 2 == 1 and rng.random() < 0.5)
    pools = [rng.permutation(each) for each in pool(split)]
    counts = (women, guests - women)
    person = np.concatenate([each[:n] for each, n in zip(pools, counts, strict=True)])
    absent = [each[n:].tolist() for each, n in zip(pools, counts, strict=True)]
    sex = np.repeat((0, 1), counts)
    order = rng.permutation(guests)
    person, sex = person[order], sex[order]

    comers = rng.permutation(guests)[: min(guests, MOST_CLAIMS)]
    genuine = 2 if len(comers) == MOST_CLAIMS else int(rng.integers(1, 3))
    names = [int(person[i]) for i in comers[:genuine]]
    names += [absent[int(sex[i])].pop() for i in comers[genuine:]]
    while len(names) < INVITED:
        names.append(absent[int(rng.integers(2))].pop())
    seats = rng.permutation(INVITED)  # Where on the list each name stands.
    invited = np.empty(INVITED, np.intp)
    invited[seats] = names
    claims, due = np.full(guests, NOTHING), np.full(guests, NEVER)
    claims[comers] = seats[: len(comers)]
    times = FIRST_CLAIM + BETWEEN_CLAIMS * rng.permutation(len(comers))
    due[comers] = times + rng.integers(CLAIM_JITTER + 1, size=len(comers))
    return Company(person, invited, claims, due)


def _pulled_down(rng: np.random.Generator, temper: NDArray[Any]) -> NDArray[Any]:
    """Burdens, (n, 2), that make these tempers, (n, 2), sad or angry."""
    n = len(temper)
    roused = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    target = np.stack([-rng.uniform(0.45, 0.75, n), roused * rng.uniform(0.4, 0.65, n)], 1)
    return np.asarray(target - temper)


def draw(rng: np.random.Generator, guests: int, split: Split) -> dict[str, Any]:
    """The first values of a level's quantities, but for those of the house."""
    company = invite(rng, guests, split)
    roused = np.where(rng.random(guests) < 0.5, 1.0, -1.0)
    temper = np.stack([rng.uniform(0.45, 0.7, guests), roused * rng.uniform(0.35, 0.6, guests)], 1)
    burdened = rng.permutation(guests)[: max(1, round(BURDENED * guests))]
    burden = np.zeros((guests, 2))
    burden[burdened] = _pulled_down(rng, temper[burdened])
    pairs = np.triu(rng.random((guests, guests)) < ACQUAINTED, 1)
    knows = pairs | pairs.T
    mishap_at, mishap = np.full(guests, NEVER), np.zeros((guests, 2))
    struck = rng.permutation(guests)[:MISHAPS]
    mishap_at[struck] = rng.integers(FIRST_MISHAP, LAST_MISHAP, size=MISHAPS)
    mishap[struck] = _pulled_down(rng, temper[struck])
    rows = COMBINATIONS_OF[split]
    combination = rows[rng.integers(len(rows), size=guests)]
    feeling = homes(temper, burden, knows)
    cues, manner = COMBINATIONS[combination], rng.uniform(-0.12, 0.12, (guests, 2))
    face = face_of(feeling, cues[:, 0], manner)
    drawn = looks(face, cues[:, 0])
    return {
        "person": company.person,
        "invited": company.invited,
        "claims": company.claims,
        "due": company.due,
        "temper": temper,
        "burden": burden,
        "feeling": feeling,
        "mood": quadrant(feeling),
        "openness": rng.uniform(0.3, 1.0, guests),
        "vividness": rng.uniform(0.3, 1.0, guests),
        "troubles": len(burdened),
        "knows": knows,
        "mishap_at": mishap_at,
        "mishap": mishap,
        "combination": combination,
        "cues": cues,
        "manner": manner,
        "face": face,
        "looks": drawn,
        "drawn_face": drawn,
        "gait": gait_of(company.person, shown(feeling, cues[:, 1])),
        "clothes": rng.integers(len(CLOTHES), size=guests),
        "changes_at": rng.integers(60, 420, size=guests),
        "errand": rng.integers(1 << 10, size=guests),
    }
