"""What goes on in pupils: the published equations, by other means, and what the kernel does."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.task import LEVELS, split_of
from als_engine.world.layout import check_sign_text
from als_engine.world.speech import Speech
from als_scenarios.education.tutor import curriculum, kinds, lesson
from als_scenarios.education.tutor.curriculum import NUM_GRAPHS, NUM_SKILLS, needs, split_of_graph
from als_scenarios.education.tutor.kinds import KINDS
from als_scenarios.education.tutor.knowledge import (
    EFFORT,
    EXPLAINING,
    MOST,
    OUT_OF_REACH,
    PERIOD,
    PRACTISING,
    RECOVERY,
    TRAITS,
    TYPICAL,
    answers,
    moved,
    opportunity,
    recovered,
    seen,
    tired,
)
from als_scenarios.education.tutor.lesson import IDLE, LISTEN, LISTENING, WORK, WORKING

chance = st.floats(0.02, 0.98)
STEADY = {
    "learn": 0.3, "guess": 0.2, "slip": 0.1, "forget": 0.0, "boredom": 0.25, "overload": 0.4,
    "rest": 0.9,
}  # fmt: skip


# -- knowledge tracing -----------------------------------------------------------------------------


def by_enumeration(prior, learn, forget, guess, slip, rights):
    """P(known after the last transition | answers), summed over every path that could be."""
    total = known = 0.0
    for path in itertools.product((0, 1), repeat=len(rights) + 1):
        weight = prior if path[0] else 1 - prior
        for here, there, right in zip(path, path[1:], rights, strict=False):
            says = 1 - slip if here else guess
            weight *= says if right else 1 - says
            goes = (1 - forget if there else forget) if here else (learn if there else 1 - learn)
            weight *= goes
        total += weight
        known += weight * path[-1]
    return known / total


@given(chance, chance, chance, chance, chance, st.lists(st.booleans(), max_size=6))
@settings(max_examples=60, deadline=None)
def test_tracing_is_what_bayes_says_of_all_paths(prior, learn, forget, guess, slip, rights):
    belief = prior
    for right in rights:
        belief = moved(seen(belief, float(right), guess, slip), learn, forget)
    assert belief == pytest.approx(by_enumeration(prior, learn, forget, guess, slip, rights))


def test_tracing_is_what_pybkt_says() -> None:
    predict = pytest.importorskip("pyBKT.fit.predict_onestep")
    rng = np.random.default_rng(0)
    for _ in range(20):
        prior, guess, slip, *rates = rng.uniform(0.05, 0.4, 7).tolist()
        learns, forgets = np.array(rates[:2]), np.array(rates[2:])
        told = rng.integers(0, 2, 12)  # Which resource: an exercise, or an explanation.
        rights = rng.random(12) < 0.5
        data = np.where(told, 0, 1 + rights)[None].astype(np.int32)
        model = {
            "learns": learns, "forgets": forgets, "guesses": np.array([guess]),
            "slips": np.array([slip]), "prior": prior,
        }  # fmt: skip
        corpus = {
            "data": data, "resources": 1 + told, "starts": np.array([1]), "lengths": np.array([12]),
        }  # fmt: skip
        _, states = predict.run(model, corpus)
        belief, ours = prior, []
        for right, resource in zip(rights.tolist(), told.tolist(), strict=True):
            ours.append(belief)
            if not resource:
                belief = seen(belief, float(right), guess, slip)
            belief = moved(belief, learns[resource], forgets[resource])
        np.testing.assert_allclose(states[1], ours, atol=1e-9)


@given(chance, chance, chance)
def test_answers_are_right_by_knowing_or_guessing(known, guess, slip):
    assert answers(1.0, guess, slip) == pytest.approx(1 - slip)
    assert answers(0.0, guess, slip) == guess
    both = known * answers(1.0, guess, slip) + (1 - known) * guess
    assert answers(known, guess, slip) == pytest.approx(both)


@given(chance, st.integers(0, 40))
def test_after_n_periods_it_is_forgotten_with_one_less_the_power(forget, periods):
    belief = 1.0
    for _ in range(periods):
        belief = moved(belief, 0.0, forget)
    assert 1 - belief == pytest.approx(1 - (1 - forget) ** periods)


def test_arrays_give_what_numbers_give() -> None:
    rows = np.random.default_rng(1).random((4, 50))
    for function in (answers, moved, tired):
        count = function.__code__.co_argcount
        args = [rows[i % 4] for i in range(count)]
        each = [function(*(float(a[i]) for a in args)) for i in range(50)]
        np.testing.assert_array_equal(function(*args), each)


# -- attention -------------------------------------------------------------------------------------


@given(chance, chance, st.integers(0, 300))
@settings(max_examples=30)
def test_attention_recovers_exponentially(start, rest, steps):
    attention = start
    for _ in range(steps):
        attention = recovered(attention, rest)
    assert attention == pytest.approx(rest + (start - rest) * (1 - RECOVERY) ** steps)


def test_what_is_known_bores_and_what_is_out_of_reach_overloads() -> None:
    assert tired(0.8, 1.0, 1.0, 0.25, 0.4) == pytest.approx(0.8 * 0.75)
    assert tired(0.8, 1.0, 0.0, 0.25, 0.4) == pytest.approx(0.8 * 0.75)
    assert tired(0.8, 0.0, 1.0, 0.25, 0.4) == pytest.approx(0.8 * (1 - EFFORT))
    assert tired(0.8, 0.0, 0.0, 0.25, 0.4) == pytest.approx(0.8 * 0.6)


@given(chance, chance, st.sampled_from([PRACTISING, EXPLAINING]))
def test_an_opportunity_is_a_chance_that_grows_with_attention(learn, attention, mode):
    ready, not_ready = (opportunity(learn, mode, attention, r) for r in (1.0, 0.0))
    assert ready == pytest.approx(min(learn * mode, MOST) * attention)
    assert not_ready == pytest.approx(OUT_OF_REACH * ready)
    assert 0 <= ready <= opportunity(learn, mode, 1.0, 1.0) <= 1


# -- what the kernel makes of it -------------------------------------------------------------------


def class_of(worlds: int, known: Any = False, **traits: float) -> Any:
    """A lesson without bodies: one pupil stands before the teacher, another behind it."""
    parameters = {**STEADY, **traits}
    quantities = {
        name: np.broadcast_to(np.asarray(q.initial, q.dtype), (worlds, *q.shape)).copy()
        for name, q in lesson.quantities(2).items()
    }
    quantities["known"][:] = known
    quantities["traits"][:] = [parameters[name] for name in TRAITS]
    quantities["attention"][:] = parameters["rest"]
    position, heading = np.zeros((worlds, 3, 3)), np.zeros((worlds, 3))
    position[:, 1, 0], position[:, 2, 0], heading[:, 1] = 1.0, -1.0, np.pi
    quantities["front"][:, 0] = np.pi
    utterance = np.full((worlds, 3), -1, np.int32)
    return SimpleNamespace(
        quantities=quantities,
        step=np.zeros(worlds, np.int64),
        speech=Speech(lesson.TEACHER_SAYS),
        avatars=SimpleNamespace(position=position, heading=heading, utterance=utterance),
        rng=np.random.default_rng(5),
    )


def go_on(state: Any, steps: int = 1, say: str = "") -> None:
    for i in range(steps):
        said = state.speech.index(say) if say and i == 0 else -1
        state.avatars.utterance[:, 0] = said
        state.step += 1
        lesson.teach(state, state.rng.random((len(state.step), 2, 3)))


def near(share: Any, expected: float, count: int) -> bool:
    return abs(np.mean(share) - expected) < 4 * np.sqrt(expected * (1 - expected) / count) + 1e-9


def test_an_exercise_is_answered_as_the_model_says_and_teaches_as_it_says() -> None:
    n = 4000
    for knows in (False, True):
        state = class_of(n, knows)
        go_on(state, 1, "practise counting")
        assert (state.quantities["task"][:, 0] == WORKING).all()
        go_on(state, WORK)
        right = state.quantities["rights"][:, 0, 0]
        assert near(right, 0.9 if knows else 0.2, n)
        assert (right + state.quantities["wrongs"][:, 0, 0] == 1).all()
        learnt = state.quantities["known"][:, 0, 0]
        assert near(learnt, 1.0 if knows else 0.3 * 0.9, n)
        np.testing.assert_array_equal(state.quantities["gain"], learnt.astype(int) - knows)
        expected = 0.9 * (0.75 if knows else 1 - EFFORT)
        np.testing.assert_allclose(state.quantities["attention"][:, 0], expected)
        np.testing.assert_allclose(state.quantities["attention"][:, 1], 0.9)


def test_an_explanation_teaches_more_but_not_beyond_reach() -> None:
    n = 4000
    for ready in (True, False):
        state = class_of(n)
        state.quantities["needs"][:, 1, 0] = not ready
        go_on(state, 1, "explain adding")
        go_on(state, LISTEN)
        taught = min(0.3 * EXPLAINING, MOST) * 0.9 * (1.0 if ready else OUT_OF_REACH)
        assert near(state.quantities["known"][:, 0, 1], taught, n)
        assert (state.quantities["explained"][:, 0, 1] == 1).all()
        raised = state.quantities["lamp"][:, 0] == lesson.HAND
        assert near(raised, 0.0 if ready else lesson.CONFUSED, n)


def test_what_nobody_practises_is_forgotten_in_time() -> None:
    n, periods = 1000, 8
    state = class_of(n, True, forget=0.1)
    go_on(state, periods * PERIOD)
    assert near(state.quantities["known"], 0.9**periods, n * 2 * NUM_SKILLS)


def test_the_teachers_belief_is_the_tracing_of_what_it_has_seen() -> None:
    state = class_of(200)
    belief, steps = np.full(200, TYPICAL.prior), 0
    for verb, lasts in (("practise", WORK), ("explain", LISTEN), ("practise", WORK)):
        before = state.quantities["rights"][:, 0, 2].copy()
        go_on(state, lasts + 1, f"{verb} subtracting")
        turn = PERIOD // NUM_SKILLS
        for step in range(steps + 1, steps + lasts + 2):
            if step % turn == 0 and step // turn % NUM_SKILLS == 2:
                belief = moved(belief, 0.0, TYPICAL.forget)
        steps += lasts + 1
        if verb == "practise":
            right = state.quantities["rights"][:, 0, 2] - before
            belief = seen(belief, right.astype(float), TYPICAL.guess, TYPICAL.slip)
        mode = PRACTISING if verb == "practise" else EXPLAINING
        belief = moved(belief, TYPICAL.learn * mode, 0.0)
        np.testing.assert_allclose(state.quantities["belief"][:, 0, 2], belief)


def test_an_explanation_needs_the_teacher_to_its_end_but_an_exercise_does_not() -> None:
    for verb, goes_on in (("explain", False), ("practise", True)):
        state = class_of(50)
        go_on(state, 4, f"{verb} adding")
        state.avatars.heading[:, 0] = np.pi / 2
        go_on(state, WORK)
        assert (state.quantities["task"][:, 0] == IDLE).all()
        done = state.quantities["rights"] + state.quantities["wrongs"]
        assert (done[:, 0, 1] == goes_on).all()
        assert not state.quantities["explained"].any()


def test_praise_counts_once_and_reminders_wear_out() -> None:
    state = class_of(1, True, slip=0.0)
    go_on(state, WORK + 1, "practise counting")
    minds = state.quantities["attention"], state.quantities["traits"]
    tired_out = minds[0][0, 0]
    go_on(state, 1, "well done")
    praised = minds[0][0, 0]
    assert praised > tired_out + 0.05
    go_on(state, 1, "well done")
    assert minds[0][0, 0] == pytest.approx(recovered(praised, 0.9))
    for _ in range(30):
        go_on(state, 1, "pay attention")
    assert minds[0][0, 0] > 0.9
    go_on(state, 600)
    assert minds[0][0, 0] == pytest.approx(0.4, abs=0.01)


def test_who_is_busy_is_not_disturbed() -> None:
    state = class_of(1)
    go_on(state, 3, "practise adding")
    go_on(state, 1, "explain counting")
    assert state.quantities["task"][0, 0] == WORKING
    assert state.quantities["topic"][0, 0] == 1


def test_who_has_nothing_to_do_raises_a_hand() -> None:
    state = class_of(1)
    go_on(state, lesson.WAIT)
    assert (state.quantities["lamp"] == lesson.HAND).all()
    go_on(state, 1, "explain counting")
    assert state.quantities["lamp"].tolist() == [[lesson.BUSY, lesson.HAND]]
    assert state.quantities["task"][0].tolist() == [LISTENING, IDLE]


# -- who is taught, and what -----------------------------------------------------------------------


def test_every_kind_is_met_in_one_split_and_keeps_to_published_ranges() -> None:
    assert {len(kinds.kinds_of(split)) for split in LEVELS} <= {2, 3, 4}
    for kind in KINDS:
        assert 0 <= kind.learn[0] <= kind.learn[1] <= 0.4
        assert 0 <= kind.guess[0] <= kind.guess[1] <= 0.3
        assert 0 <= kind.slip[0] <= kind.slip[1] <= 0.1


@given(st.integers(0, NUM_GRAPHS - 1))
def test_every_graph_can_be_taught_in_order_and_read_from_the_board(graph):
    what = needs(graph)
    assert not np.triu(what).any()
    assert (what[2:].sum(1) >= 1).all()
    assert (what.sum(1) <= 2).all()
    lines = check_sign_text("board", curriculum.on_board(what))
    assert "".join(lines).count("<") == int((what.sum(1) > 0).sum())


def test_graphs_differ_and_each_split_has_its_own() -> None:
    assert len({needs(graph).tobytes() for graph in range(NUM_GRAPHS)}) == NUM_GRAPHS
    found = [curriculum.graphs_of(split) for split in ("train", "validation", "test")]
    assert sorted(np.concatenate(found).tolist()) == list(range(NUM_GRAPHS))
    assert split_of_graph(0) == "validation"
    assert split_of(0) == "train"


@given(st.integers(0, len(KINDS) - 1), st.integers(0, NUM_GRAPHS - 1), st.integers(0, 999))
@settings(max_examples=40)
def test_pupils_lie_within_their_kind_and_know_what_they_build_on(kind, graph, seed):
    what = needs(graph)
    traits, known = kinds.draw(np.random.default_rng(seed), kind, what)
    for name, value in zip(TRAITS, traits.tolist(), strict=True):
        low, high = getattr(KINDS[kind], name)
        assert low <= value <= high
    assert not (what & known[:, None] & ~known[None]).any()
