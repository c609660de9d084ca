"""The town: requests, what helpers do for them, what follows elsewhere, and what is hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.errors import ALSError
from als_engine.sensors import SENSORS
from als_engine.simulation import Simulation, simulate
from als_scenarios.town.world.errands import (
    ASKS_AT,
    DONE,
    FIRST,
    FOLLOWS,
    GIVER,
    HEARD,
    LESSON,
    LISTENS,
    MISSED,
    MISTAKES_NOW,
    OPEN,
    OPENED_AT,
    OPENS,
    PENDING,
    RIGHT,
    SECOND,
    SENT,
    SHUT,
    SICK,
    STATUS,
    TASK,
    WITHDRAWN,
    WITHDRAWN_AFTER,
)
from als_scenarios.town.world.items import (
    ADDRESSEES,
    ANSWER,
    BUILD,
    CHILD,
    DELIVER,
    FIND,
    GUIDE,
    MUSEUM,
    NURSE,
    OFFICE,
    PAIRS,
    PATIENT,
    SCHOOL,
    TASKS,
    TEACHER,
    TELL,
    TREAT,
    VISITOR,
    WARD,
    YARD,
)
from als_scenarios.town.world.life import CALM
from als_scenarios.town.world.requests import URGENT, URGENT_WINDOW, WINDOW

SCENARIO = "ALS/World-v0"
NOBODY = -1


def town(task: int, **arguments: Any) -> Simulation:
    """A town in which one errand, number 0, of a task stands and is known; no other will come."""
    arguments.setdefault("tasks", (TASKS[task],))
    arguments.setdefault("sensors", ["errand"])
    arguments.setdefault("level", 3)
    sim = simulate(SCENARIO, 1, observers=1, **arguments)
    sim.reset([0])
    sim.observe()
    book = sim.state["book"][0]
    book[1:, ASKS_AT] = 100_000
    book[0, [ASKS_AT, WITHDRAWN_AFTER]] = 0
    while book[0, STATUS] == PENDING:
        do(sim)
    book[0, HEARD] = LISTENS
    return sim


def do(sim: Simulation, name: str = "stay", steps: int = 1) -> None:
    """Takes one of the helper's discrete actions."""
    names = list(sim.acting.codec.names)
    action = next(
        i for i, each in enumerate(names) if each == name or (" " in name and name in each)
    )
    for _ in range(steps):
        sim.step(np.full((1, 1), action))


def use(sim: Simulation, place: int, post: int) -> None:
    """Puts the helper before a post, facing it, and lets it use that."""
    state, k = sim.state, 4 * place + post
    spot, prop = state["stand"][0, k], state.props.position[0, k, :2]
    put_avatar(sim, 0, spot, float(np.arctan2(*(prop - spot)[::-1])))
    do(sim, "use")
    assert state.events.used[0, 0] == k


def give_medicine(sim: Simulation) -> None:
    state = sim.state
    spot, prop = state["stand"][0, 20], state.props.position[0, 20, :2]
    put_avatar(sim, 0, spot, float(np.arctan2(*(prop - spot)[::-1])))
    do(sim, "use")


def meet(sim: Simulation, n: int) -> None:
    """Puts the helper alone beside an inhabitant, in the middle of the yard."""
    low, high = sim.state["places"][0, YARD, :2], sim.state["places"][0, YARD, 2:4]
    middle = (low + high) / 2
    put_avatar(sim, n + 1, middle)
    put_avatar(sim, 0, middle + np.array([0.8, 0.0]))


def errand(sim: Simulation) -> np.ndarray:
    return sim.state["book"][0, 0]


def wrong(sim: Simulation, k: int = 0) -> int:
    return int((errand(sim)[RIGHT + k] + 1) % 4)


# -- each task ------------------------------------------------------------------------------------


def test_an_answer_is_the_sum_and_calms_the_child() -> None:
    sim = town(ANSWER)
    row = errand(sim)
    right = int(row[RIGHT])
    assert sim.state["label"][0, SCHOOL, right] == row[FIRST] + row[SECOND] + 2
    assert sim.state["body"][0, CHILD, CALM] == 0.0
    use(sim, SCHOOL, wrong(sim))
    assert row[STATUS] == OPEN
    assert sim.state["flags"][0, MISTAKES_NOW] == 1
    use(sim, SCHOOL, right)
    assert row[STATUS] == DONE
    assert sim.state["body"][0, CHILD, CALM] > 0.9
    assert sim.metrics()["answer"][0] == 1.0


def test_the_right_medicine_makes_the_patient_well() -> None:
    sim = town(TREAT)
    row, folk = errand(sim), sim.state["folk"][0]
    assert folk[PATIENT, SICK]
    use(sim, WARD, wrong(sim))
    give_medicine(sim)
    assert row[STATUS] == OPEN
    assert folk[PATIENT, SICK]
    use(sim, WARD, int(row[RIGHT]))
    give_medicine(sim)
    assert row[STATUS] == DONE
    assert not folk[PATIENT, SICK]


def test_a_parcel_is_for_one_person_and_may_open_the_museum() -> None:
    sim = town(DELIVER)
    row, flags = errand(sim), sim.state["flags"][0]
    row[OPENS], flags[SHUT] = 1, 1
    use(sim, OFFICE, int(row[RIGHT]))
    other = next(n for n in ADDRESSEES if n != ADDRESSEES[row[SECOND]])
    meet(sim, other)
    do(sim, "here you are")
    assert row[STATUS] == OPEN
    assert flags[SHUT]
    for n in range(7):
        put_avatar(sim, n + 1, sim.state["spot"][0, n % 4, n])
    meet(sim, ADDRESSEES[row[SECOND]])
    do(sim, "here you are")
    assert row[STATUS] == DONE
    assert not flags[SHUT]
    gate = sim.state.prop("gate")
    np.testing.assert_allclose(sim.state.props.position[0, gate], sim.state["gate_open"][0])


def test_nobody_asks_to_be_guided_while_the_museum_is_shut() -> None:
    sim = simulate(SCENARIO, 1, observers=1, sensors=["errand"], tasks=("guide",), level=3)
    sim.reset([0])
    sim.observe()
    sim.state["flags"][0, SHUT] = 1
    do(sim, steps=130)
    assert (sim.state["book"][0, :, STATUS] == PENDING).all()
    sim.state["flags"][0, SHUT] = 0
    do(sim)
    assert sim.state["book"][0, 0, STATUS] == OPEN


def test_a_visitor_comes_along_and_is_shown_what_it_likes() -> None:
    sim = town(GUIDE)
    row, state = errand(sim), sim.state
    strengths = state["strengths"][0]
    likes = 0.7 * strengths[:, row[FIRST]] + 0.3 * strengths[:, row[SECOND]]
    assert likes.argmax() == row[RIGHT]
    assert (np.sort(likes)[-1] - np.sort(likes)[-2]) > 0.05
    meet(sim, VISITOR)
    do(sim, "come along")
    assert state["folk"][0, VISITOR, FOLLOWS] == 0
    beside = state["stand"][0, 4 * MUSEUM + int(row[RIGHT])].copy()
    beside[1] -= 0.9 * state["places"][0, MUSEUM, 6]
    put_avatar(sim, VISITOR + 1, beside)
    use(sim, MUSEUM, int(row[RIGHT]))
    assert row[STATUS] == DONE
    assert state["folk"][0, VISITOR, FOLLOWS] == NOBODY


def test_the_child_is_caught_and_brought() -> None:
    sim = town(FIND)
    row, state = errand(sim), sim.state
    meet(sim, CHILD)
    put_avatar(sim, 0, state.avatars.position[0, CHILD + 1, :2] + np.array([0.6, 0.0]))
    do(sim)
    assert state["folk"][0, CHILD, FOLLOWS] == 0
    floor = state["places"][0, row[SECOND]]
    middle = np.array([floor[0] + floor[2], floor[1] + floor[3]]) / 2
    put_avatar(sim, 0, middle)
    put_avatar(sim, CHILD + 1, middle + np.array([0.0, 0.7]))
    do(sim)
    assert row[STATUS] == DONE


def test_what_is_built_is_built_in_order() -> None:
    sim = town(BUILD)
    row, state = errand(sim), sim.state
    use(sim, YARD, int(row[RIGHT + 1]))
    assert state["mistakes"][0] == 1
    use(sim, YARD, int(row[RIGHT]))
    assert state.props.present[0, state.prop("block 1")]
    use(sim, YARD, int(row[RIGHT + 1]))
    assert row[STATUS] == DONE
    assert state.props.present[0, state.prop("block 2")]


def test_who_is_told_goes_there() -> None:
    sim = town(TELL)
    row = errand(sim)
    who, where = ADDRESSEES[row[SECOND]], int(row[FIRST])
    meet(sim, who)
    do(sim, f"go to the {('school', 'ward', 'office', 'museum', 'yard')[where]}")
    assert row[STATUS] == DONE
    assert sim.state["folk"][0, who, SENT] == where


# -- requests -------------------------------------------------------------------------------------


def test_an_act_counts_only_for_who_has_understood() -> None:
    sim = town(ANSWER)
    row = errand(sim)
    row[HEARD] = 0
    use(sim, SCHOOL, int(row[RIGHT]))
    assert row[STATUS] == OPEN


def test_a_request_is_understood_near_the_one_who_asks() -> None:
    sim = town(TELL, level=5)
    row = errand(sim)
    row[[GIVER, HEARD]] = TEACHER, 0
    do(sim, steps=LISTENS)
    assert row[HEARD] == 0
    spot = sim.state.avatars.position[0, TEACHER + 1, :2]
    inwards = sim.state["places"][0, SCHOOL, 6]
    put_avatar(sim, 0, spot + np.array([0.0, 0.8 * inwards]))
    do(sim, steps=LISTENS)
    assert row[HEARD] == LISTENS


def test_the_second_mistake_spoils_an_errand() -> None:
    sim = town(ANSWER)
    use(sim, SCHOOL, wrong(sim))
    use(sim, SCHOOL, wrong(sim))
    assert errand(sim)[STATUS] == MISSED


@pytest.mark.parametrize("status", [MISSED, WITHDRAWN])
def test_requests_expire_or_are_withdrawn(status: int) -> None:
    sim = town(TELL)
    row = errand(sim)
    if status == WITHDRAWN:
        row[WITHDRAWN_AFTER] = 30
    row[OPENED_AT] = sim.state.step[0] - (30 if status == WITHDRAWN else WINDOW)
    do(sim)
    assert row[STATUS] == status
    assert URGENT_WINDOW < WINDOW
    assert URGENT > 0


def test_a_lesson_waits_for_a_patient_who_is_not_treated_and_so_do_its_questions() -> None:
    sim = simulate(SCENARIO, 1, observers=1, sensors=["errand"], tasks=("answer",), level=3)
    sim.reset([0])
    sim.observe()
    sim.state["folk"][0, PATIENT, SICK] = 1
    sim.state["book"][0, :, ASKS_AT] = 0
    do(sim, steps=3)
    assert not sim.state["flags"][0, LESSON]
    assert (sim.state["book"][0, :, STATUS] == PENDING).all()
    sim.state["folk"][0, PATIENT, SICK] = 0
    put_avatar(sim, PATIENT + 1, sim.state["spot"][0, SCHOOL, PATIENT])
    do(sim)
    assert sim.state["flags"][0, LESSON]
    assert sim.state["book"][0, 0, STATUS] == OPEN


# -- what is seen, and what is asked --------------------------------------------------------------


def test_what_is_inside_people_and_what_was_not_heard_is_in_no_observation() -> None:
    names = [name for name in SENSORS if name != "audio"]
    sim = simulate(SCENARIO, 1, observers=1, sensors=[*names, "errand"], level=7)
    sim.reset([0])
    do(sim, steps=20)
    before = {key: value.copy() for key, value in sim.observations.items()}
    assert sim.state["book"][0, 0, STATUS] == OPEN
    sim.state["body"][:] += 0.137
    sim.state["book"][0, :, [TASK, FIRST, SECOND]] = sim.state["book"][
        0, ::-1, [TASK, FIRST, SECOND]
    ]
    sim.state["book"][0, :, RIGHT] = 0
    sim.observe()
    for key, value in before.items():
        np.testing.assert_array_equal(value, sim.observations[key], err_msg=key)


def test_every_split_has_pairs_of_its_own_and_training_has_every_value() -> None:
    for k, task in enumerate(TASKS):
        every = [set(PAIRS[split][k]) for split in ("train", "validation", "test")]
        assert all(every), task
        assert not every[0] & every[1], task
        assert not every[0] & every[2], task
        assert not every[1] & every[2], task
        for side in (0, 1):
            met = {pair[side] for pair in every[0]}
            assert {pair[side] for pairs in every for pair in pairs} <= met, task


def test_only_the_tasks_that_are_named_are_asked_for() -> None:
    sim = simulate(SCENARIO, 6, observers=1, sensors=["errand"], tasks=["find", "treat"])
    sim.reset(range(6))
    assert set(sim.state["book"][..., TASK].ravel().tolist()) == {TREAT, FIND}


@pytest.mark.parametrize("tasks", [(), "answer", ("sing",), ("tell", "tell"), None])
def test_bad_tasks_are_named(tasks: Any) -> None:
    with pytest.raises(ALSError, match="tasks"):
        simulate(SCENARIO, tasks=tasks)


def test_two_helpers_need_one_avatar_more() -> None:
    with pytest.raises(ALSError, match="num_helpers=2"):
        simulate(SCENARIO, num_helpers=2)
    sim = simulate(SCENARIO, 1, num_helpers=2, num_avatars=10, sensors=["errand"])
    sim.reset([0])
    assert sim.state["folk"].shape == (1, 8, 5)
    assert NURSE < 8


def test_a_second_helper_of_the_background_leaves_the_others_share_to_it() -> None:
    sim = simulate(SCENARIO, 4, num_helpers=2, num_avatars=9, observers=1, sensors=["errand"])
    sim.reset(range(4))
    for _ in range(500):
        sim.advance(np.zeros((4, 1), np.int64))
    status = sim.state["book"][..., STATUS]
    assert (status[:, ::2] != DONE).all()
    assert (status[:, 1::2] == DONE).any()
