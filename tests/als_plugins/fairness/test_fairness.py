"""Outcomes by group are the field's own numbers, and groups come from the true state alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from als_command import als
from fairlearn.metrics import MetricFrame

from als_engine.agents.saving import open_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_plugins.fairness.groups import People, gaps, measure, people_of

TUTOR, WARD = "ALS/Tutor-v0", "ALS/Ward-v0"
FEW = {"sensors": ["proprioception"], "max_episode_steps": 40}


def made(people: int = 60, seed: int = 0) -> People:
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=people)
    value = rng.random(people) * (0.4 + 0.3 * group)
    names = ("slow", "steady", "nobody", "quick")
    return People("examination", names, group + (group == 2), value, np.arange(people) // 4)


def test_gaps_are_fairlearns() -> None:
    people = made()
    frame = MetricFrame(
        metrics=lambda truth, value: float(np.mean(value)),
        y_true=people.value,
        y_pred=people.value,
        sensitive_features=[people.names[i] for i in people.group],
    )
    found = gaps(people)
    assert {name: each.value for name, each in found["groups"].items()} == pytest.approx(
        dict(frame.by_group)
    )
    assert found["overall"].value == pytest.approx(frame.overall)
    assert found["difference"].value == pytest.approx(frame.difference(method="between_groups"))
    assert found["ratio"].value == pytest.approx(frame.ratio(method="between_groups"))
    assert found["worst"] == frame.by_group.idxmin()
    for each in (*found["groups"].values(), found["difference"], found["ratio"]):
        assert each.low <= each.value <= each.high


def test_intervals_resample_episodes_and_not_their_people() -> None:
    alone, together = made(), made()
    people = np.arange(len(together.value))
    alone = People(alone.what, alone.names, alone.group, alone.value, people)
    # Four of one group in each episode are hardly more than one of them.
    group = np.array([0, 1, 3])[np.arange(len(people)) // 4 % 3]
    value = 0.1 * group + np.repeat(np.random.default_rng(1).random(len(people) // 4), 4)
    as_one = People("x", together.names, group, value, people // 4)
    as_many = People("x", together.names, group, value, people)
    wide, narrow = (gaps(each)["groups"]["slow"] for each in (as_one, as_many))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_one_group_has_no_gap() -> None:
    people = made()
    same = People(people.what, people.names, np.zeros_like(people.group), people.value,
                  people.episode)  # fmt: skip
    with pytest.raises(ArgumentError, match="people of one group alone were met"):
        gaps(same)


@pytest.mark.parametrize(
    ("scenario", "metric", "groups"),
    [
        (TUTOR, "exam", {"careless", "dreamer"}),
        (WARD, "time_in_range", {"adolescent", "adult", "child"}),
    ],
)
def test_outcomes_add_up_to_the_scenarios_own_metric(
    scenario: str, metric: str, groups: set[str]
) -> None:
    arguments = {**FEW, "num_avatars": 4} if scenario == TUTOR else FEW
    opened = open_agent("random", scenario, arguments)
    people = people_of(opened.agent, scenario, opened.arguments, episodes=2, worlds=2)
    assert {people.names[i] for i in people.group} <= groups
    whole = evaluate(
        opened.agent, scenario, 2, split="validation", num_worlds=2, arguments=opened.arguments
    )
    means = [people.value[people.episode == i].mean() for i in range(2)]
    assert means == pytest.approx(whole.metrics[metric].tolist())


def test_a_scenario_without_groups_says_which_have_some() -> None:
    with pytest.raises(ArgumentError, match="does not say what becomes of groups") as error:
        measure("random", open_agent("random", "ALS/Tag-v0", FEW), episodes=1)
    known = str(error.value).partition("these do: ")[2].split(", ")
    assert {"ALS/Diagnosis-v0", "ALS/Gathering-v0", TUTOR, WARD} == {*known}


def test_the_command_shows_groups_and_gaps() -> None:
    words = ("fairness", "random", "--on", TUTOR, "--episodes", 2, "--arg", "num_avatars=4")
    done = als(*words, "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert found["difference"]["value"] == pytest.approx(
        max(each["value"] for each in found["groups"].values())
        - min(each["value"] for each in found["groups"].values())
    )
    assert sum(found["counts"].values()) == 6
