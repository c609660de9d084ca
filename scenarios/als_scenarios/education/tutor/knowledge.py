"""How pupils learn, forget and attend: knowledge tracing with forgetting, and attention.

Knowledge is Bayesian knowledge tracing (Corbett and Anderson 1995, "Knowledge tracing: Modeling the
acquisition of procedural knowledge", User Modeling and User-Adapted Interaction 4,
https://doi.org/10.1007/BF01099821). A pupil knows a skill or does not. It answers right with 1 -
P(S) if it does and with P(G) if it does not, and each opportunity to learn teaches it with P(T).
Opportunities differ in P(T), as `pyBKT`'s resources do (Badrinath, Wang and Pardos 2021). What is
known is forgotten with P(F) in each period in which time goes on, which is how Khajah, Lindsey and
Mozer (2016), "How Deep is Knowledge Tracing?", EDM 2016, https://arxiv.org/abs/1604.02416, count
the trials between two of the same skill: after n of them it is forgotten with 1 - (1 - P(F))^n.

What changes P(T) is ours. It is multiplied by the pupil's attention, and by `OUT_OF_REACH` where
the pupil lacks a prerequisite. Attention is a leaky integrator: it recovers to the pupil's rest by
the same part in each step, and each piece of teaching takes a part of it: `EFFORT` where the pupil
can learn, `boredom` where it knows the skill (explaining what is known hampers: Kalyuga, Ayres,
Chandler and Sweller 2003, "The Expertise Reversal Effect", Educational Psychologist 38(1),
https://doi.org/10.1207/S15326985EP3801_4), `overload` where it lacks a prerequisite (that boredom
and confusion come and go with how hard a task is: D'Mello and Graesser 2012, "Dynamics of affective
states during complex learning", Learning and Instruction 22(2),
https://doi.org/10.1016/j.learninstruc.2011.10.001).

The functions are arithmetic alone: they take numbers or arrays, in Python and in kernels alike.
Chances lie in 0 to 1, and so do beliefs and attention; what is known, ready or right is 0 or 1.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from als_engine.system.compiling import inner

Numbers: TypeAlias = Any
"""One number, or an array of them."""

TRAITS: Final = ("learn", "guess", "slip", "forget", "boredom", "overload", "rest")
"""The parameters of a pupil, in the order of the last axis of `state["traits"]`."""
LEARN, GUESS, SLIP, FORGET, BOREDOM, OVERLOAD, REST = range(len(TRAITS))

PERIOD: Final = 30
"""Steps in which each known skill is forgotten once with P(F): two seconds."""

PRACTISING: Final = 1.0
EXPLAINING: Final = 2.0
"""By what P(T) is multiplied where a pupil practises a skill, and where it is explained."""

MOST: Final = 0.95
"""The largest chance to learn at one opportunity."""

OUT_OF_REACH: Final = 0.1
RECOVERY: Final = 1 / 60
"""The part of what attention lacks that comes back in a step: time constant 60 steps, 4 seconds."""

EFFORT: Final = 0.1
PRAISE: Final = 0.25
"""The part of what attention lacks that deserved praise gives back."""

REMINDER: Final = 0.4
"""The part that "pay attention" gives back."""

WEAR: Final = 0.04
LEAST_REST: Final = 0.4
"""How much of its rest a pupil loses for good with each reminder, and what it keeps."""


class Typical(NamedTuple):
    """What a teacher may take a pupil to be like whom it does not know."""

    prior: float = 0.35
    learn: float = 0.22
    guess: float = 0.2
    slip: float = 0.08
    forget: float = 0.006


TYPICAL: Final = Typical()


def answers(known: Numbers, guess: Numbers, slip: Numbers) -> Numbers:
    """The chance of a right answer: with a chance `known`, or for sure, that the skill is known."""
    return known * (1.0 - slip) + (1.0 - known) * guess


def seen(belief: Numbers, right: Numbers, guess: Numbers, slip: Numbers) -> Numbers:
    """The belief that a skill is known after an answer, by Bayes' theorem."""
    with_it = belief * (right * (1.0 - slip) + (1.0 - right) * slip)
    without = (1.0 - belief) * (right * guess + (1.0 - right) * (1.0 - guess))
    return with_it / (with_it + without)


def moved(belief: Numbers, learn: Numbers, forget: Numbers) -> Numbers:
    """The belief after an opportunity to learn and a chance to forget."""
    return belief * (1.0 - forget) + (1.0 - belief) * learn


def opportunity(learn: Numbers, mode: float, attention: Numbers, ready: Numbers) -> Numbers:
    """The chance that a pupil learns a skill now.

    Args:
        learn: the pupil's P(T).
        mode: `PRACTISING` or `EXPLAINING`.
        attention: the pupil's.
        ready: whether it knows all that the skill needs.
    """
    reach = ready + (1.0 - ready) * OUT_OF_REACH
    return np.minimum(learn * mode, MOST) * attention * reach


def recovered(attention: Numbers, rest: Numbers) -> Numbers:
    """Attention one step later."""
    return attention + (rest - attention) * RECOVERY


def tired(
    attention: Numbers, known: Numbers, ready: Numbers, boredom: Numbers, overload: Numbers
) -> Numbers:
    """Attention after a piece of teaching: bored by what is known, overloaded beyond its reach."""
    loss = known * boredom + (1.0 - known) * (ready * EFFORT + (1.0 - ready) * overload)
    return attention * (1.0 - loss)


_answers, _seen, _moved = inner(answers), inner(seen), inner(moved)
_opportunity, _recovered, _tired = inner(opportunity), inner(recovered), inner(tired)


@inner
def is_ready(known, needs, skill):  # type: ignore[no-untyped-def]
    """Whether a pupil, (skills,), knows all that a skill needs: 1 or 0."""
    for j in range(needs.shape[1]):
        if needs[skill, j] and not known[j]:
            return 0.0
    return 1.0


@inner
def time_passes(known, belief, attention, traits, step, draw):  # type: ignore[no-untyped-def]
    """Lets one pupil live for a step: it recovers, and may forget the skill whose turn it is.

    Skills take turns, so that each has its chance to be forgotten once in a period.

    Returns:
        Its attention, and how many skills it has forgotten, 0 or 1.
    """
    skills = known.shape[0]
    turn = PERIOD // skills
    forgotten = 0
    if step % turn == 0:
        skill = step // turn % skills
        belief[skill] = _moved(belief[skill], 0.0, TYPICAL.forget)
        if known[skill] and draw < traits[FORGET]:
            known[skill] = False
            forgotten = 1
    return _recovered(attention, traits[REST]), forgotten


@inner
def answered(known, belief, attention, traits, ready, draws):  # type: ignore[no-untyped-def]
    """One pupil ends an exercise: it answers, then it may learn.

    Args:
        known: whether it knows the skill.
        belief: what a teacher may believe of that.
        attention: the pupil's.
        traits: (traits,).
        ready: whether it knows all that the skill needs, 1 or 0.
        draws: two random numbers, for the answer and for learning.

    Returns:
        Whether it is right, whether it knows the skill now, the belief and its attention.
    """
    knows = 1.0 if known else 0.0
    right = draws[0] < _answers(knows, traits[GUESS], traits[SLIP])
    learns = draws[1] < _opportunity(traits[LEARN], PRACTISING, attention, ready)
    belief = _seen(belief, 1.0 if right else 0.0, TYPICAL.guess, TYPICAL.slip)
    belief = _moved(belief, TYPICAL.learn * PRACTISING, 0.0)
    attention = _tired(attention, knows, ready, traits[BOREDOM], traits[OVERLOAD])
    return right, known or learns, belief, attention


@inner
def listened(known, belief, attention, traits, ready, draw):  # type: ignore[no-untyped-def]
    """One pupil has heard an explanation to its end; as `answered`, but nothing is answered."""
    knows = 1.0 if known else 0.0
    learns = draw < _opportunity(traits[LEARN], EXPLAINING, attention, ready)
    belief = _moved(belief, TYPICAL.learn * EXPLAINING, 0.0)
    attention = _tired(attention, knows, ready, traits[BOREDOM], traits[OVERLOAD])
    return known or learns, belief, attention
