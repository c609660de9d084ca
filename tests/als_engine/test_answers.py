"""What a task answers is checked at every step: shapes, types, and that numbers are finite."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import Reach

from als_engine.errors import ALSError, TaskError
from als_engine.simulation import Simulation
from als_engine.task import Task, add_terms


def stepped(**methods) -> Simulation:
    """Two worlds of two avatars each, whose task answers as given, after two steps."""
    task = type("Odd", (Reach,), methods)
    simulation = Simulation(
        task(num_avatars=2), scenario="Acme/Odd-v0", num_worlds=2, sensors=["touch"], level=7
    )
    try:
        simulation.reset([0, 1])
        for _ in range(2):
            simulation.advance(np.zeros((2, 2), int))
    finally:
        simulation.close()
    return simulation


def answering(value):
    return lambda self, state: value


ONE_NAN = np.array([[0.0, 0.0], [np.nan, 0.0]])


@pytest.mark.parametrize(
    ("method", "answer", "says"),
    [
        ("reward", np.zeros(2), "Odd.reward must be (worlds, avatars), here (2, 2), got (2,)"),
        ("reward", 1.0, "here (2, 2), got ()"),
        ("reward", np.zeros((2, 1)), "here (2, 2), got (2, 1)"),
        ("reward", np.zeros((2, 2), object), "Odd.reward must be numbers, got object"),
        ("reward", np.zeros((2, 2), complex), "Odd.reward must be numbers, got complex128"),
        ("reward", None, "Odd.reward must be numbers, got object"),
        ("reward", [[1.0], [1.0, 2.0]], "Odd.reward is no array"),
        ("reward", ONE_NAN, "Odd.reward is NaN for avatar 0 of world 1"),
        ("reward", np.full((2, 2), np.inf), "Odd.reward is infinite for avatar 0 of world 0"),
        ("reward", np.array([[np.inf, -np.inf], [0, 0]]), "Odd.reward is infinite"),
        ("terminated", np.zeros((2, 2), bool), "Odd.terminated must be (worlds,), here (2,), got"),
        ("terminated", np.zeros(2), "Odd.terminated must be bool, got float64"),
        ("terminated", np.False_, "Odd.terminated must be (worlds,), here (2,), got ()"),
        ("success", np.zeros(3, bool), "Odd.success must be (worlds,), here (2,), got (3,)"),
        ("success", np.full(2, np.nan), "Odd.success must be bool, got float64"),
        ("metrics", {"far": np.zeros(1)}, 'Odd.metrics["far"] must be (worlds,), here (2,)'),
        ("metrics", {"far": 3.0}, 'Odd.metrics["far"] must be (worlds,), here (2,), got ()'),
        ("metrics", {"far": ["a", "b"]}, 'Odd.metrics["far"] must be numbers, got <U1'),
        ("metrics", {"far": np.array([0, np.nan])}, 'Odd.metrics["far"] is NaN for world 1'),
        ("metrics", [1.0], "Odd.metrics must be arrays by name, got list"),
    ],
)
def test_a_wrong_answer_is_one_line_with_scenario_level_step_and_method(method, answer, says):
    with pytest.raises(TaskError) as error:
        stepped(**{method: answering(answer)})
    line = str(error.value)
    assert line.startswith("Acme/Odd-v0, level 7, step 1: ")
    assert says in line
    assert "\n" not in line
    assert isinstance(error.value, ALSError)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"a": np.zeros((2, 2))}, "must be named a, b, as reward_names says, got a"),
        ({"a": np.zeros((2, 2)), "b": np.zeros(2)}, 'reward_terms["b"] must be (worlds, avatars)'),
        ({"a": np.zeros((2, 2)), "b": ONE_NAN}, "Odd.reward is NaN"),
        (3, "got 3"),
    ],
)
def test_the_terms_of_a_reward_are_checked_as_well(terms, says):
    with pytest.raises(TaskError, match=r"^Acme/Odd-v0, level 7, step 1: Odd\.rew") as error:
        stepped(reward_names=("a", "b"), reward_terms=answering(terms))
    assert says in str(error.value)


@pytest.mark.parametrize(
    "reward", [np.ones((2, 2), np.float32), np.ones((2, 2), int), [[1, 1], [1, 1]]]
)
def test_any_real_numbers_of_the_right_shape_will_do(reward):
    simulation = stepped(reward=answering(reward))
    assert (simulation.rewards == 1.0).all()
    assert (simulation.returns == 2.0).all()


def test_what_goes_wrong_later_is_refused_then():
    def reward(self, state):
        return self.everyone(np.where(state.step == 2, np.nan, 0.0))

    with pytest.raises(TaskError, match=r"level 7, step 2: Odd\.reward is NaN"):
        stepped(reward=reward)


def test_terms_are_added_up_as_before():
    terms = {"a": np.full((2, 2), 0.1), "b": np.full((2, 2), 0.2)}
    simulation = stepped(reward_names=("a", "b"), reward_terms=answering(terms))
    assert np.array_equal(simulation.rewards, add_terms(terms))


def test_a_task_without_a_reward_of_its_own_earns_the_sum_of_its_terms():
    terms = {"a": np.full((2, 2), 0.1), "b": np.full((2, 2), 0.2)}
    methods = {"reward": Task.reward, "reward_names": ("a", "b")}
    simulation = stepped(**methods, reward_terms=answering(terms))
    assert np.array_equal(simulation.rewards, add_terms(terms))
    assert np.array_equal(simulation.task.reward(simulation.state), add_terms(terms))


def test_a_task_with_neither_a_reward_nor_terms_is_one_line():
    with pytest.raises(TaskError, match="Odd needs a method reward, or reward_terms"):
        stepped(reward=Task.reward)
