"""Specs are frozen, plain JSON, and refuse what they may not hold in one line that names it."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from als_engine.errors import ALSError, ArgumentError, PhysicsError, PluginError, did_you_mean
from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    ScenarioSpec,
    Spec,
    SuiteEntry,
    SuiteSpec,
    load_object,
    namespace_of,
)

SCENARIO = ScenarioSpec(
    id="Acme/FetchKettle-v0",
    task="acme_kitchen:FetchKettle",
    max_episode_steps=200,
    kwargs={"sizes": [1, 2], "deep": {"a": None}},
)
SPECS = [
    SCENARIO,
    AgentSpec(id="acme/walker", agent="acme.agents:Walker", needs=("learn",), trainable=True),
    EncoderSpec(id="acme/cnn", encoder="acme.encoders:Cnn", sensors=("rgb",)),
    SuiteSpec(
        id="acme/kitchen", entries=(SuiteEntry("Acme/FetchKettle-v0", steps=50),), episodes=10
    ),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_a_spec_is_frozen_and_survives_json_and_pickle(spec: Spec) -> None:
    assert type(spec)(**json.loads(json.dumps(spec.as_dict()))) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    hash(spec)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.id = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "id",
    [
        "Classroom-v0",
        "ALS/Classroom",
        "ALS/a/Classroom-v0",
        "ALS/Class room-v0",
        "/Classroom-v0",
        "als_engine:ALS/Classroom-v0",
        "ALS/Classroom-v0\n",
        "ALS/-v0",
        "",
        3,
    ],
)
def test_a_scenario_id_has_a_namespace_one_slash_and_a_version(id: str) -> None:
    with pytest.raises(ArgumentError, match=r"ScenarioSpec: id must be .* exactly one slash"):
        ScenarioSpec(id=id, task="m:C", max_episode_steps=1)


@pytest.mark.parametrize(
    "reference", ["module", "module.Class", "m:C.d", "m:", ":C", "../m:C", "m:C()", "m: C", "m:C\n"]
)
def test_a_reference_is_a_module_and_one_name(reference: str) -> None:
    with pytest.raises(ArgumentError, match='task of "A/B-v0" must be "module:Class"'):
        ScenarioSpec(id="A/B-v0", task=reference, max_episode_steps=1)
    with pytest.raises(ArgumentError, match="is not of the form"):
        load_object(reference)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("max_episode_steps", 0, "a whole number of at least 1, got 0"),
        ("max_episode_steps", 2.5, "a whole number of at least 1, got 2.5"),
        ("num_avatars", True, "a whole number of at least 1, got True"),
        ("num_avatars", 9, "from 1 to 8, got 9"),
        ("min_avatars", 2, "from 2 to 8, got 1"),
        ("kwargs", {"rate": float("nan")}, "must be JSON"),
        ("kwargs", {"task": object()}, "must be JSON"),
        ("kwargs", 3, "must be JSON"),
        ("summary", "two\nlines", "one line"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(field: str, value: object, message: str) -> None:
    fields = {"id": "A/B-v0", "task": "m:C", "max_episode_steps": 1, field: value}
    with pytest.raises(ArgumentError, match=message):
        ScenarioSpec(**fields)  # type: ignore[arg-type]


def test_lists_become_tuples_and_a_lone_string_is_no_list() -> None:
    assert AgentSpec(id="a", agent="m:A", needs=["learn"]).needs == ("learn",)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"needs .* must be a tuple of strings, got 'learn'"):
        AgentSpec(id="a", agent="m:A", needs="learn")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="action_modes"):
        AgentSpec(id="a", agent="m:A", action_modes=("jump",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"entries": ()}, "entries .* one or more entries"),
        ({"entries": ("ALS/Tag-v0",)}, "entries .* must be entries or dictionaries"),
        ({"entries": ({"scenario": "Tag-v0"},)}, "scenario .* must be .*Name-vN"),
        ({"entries": ({"scenario": "ALS/Tag-v0", "step": 1},)}, 'unknown key "step"; .*steps'),
        ({"entries": ({"name": "tag"},)}, "has no scenario"),
        ({"entries": ({"scenario": "ALS/Tag-v0"},) * 2}, "of different names"),
        ({"entries": ({"scenario": "ALS/Tag-v0", "random": 2, "expert": 1},)}, "more than random"),
        ({"entries": ({"scenario": "ALS/Tag-v0", "random": math.nan},)}, "a finite number"),
        (
            {"entries": ({"scenario": "ALS/Tag-v0", "split": "all"},)},
            "one of train, validation",
        ),
        ({"entries": ({"scenario": "ALS/Tag-v0"},), "seeds": 0}, "at least 1, got 0"),
    ],
)
def test_a_suite_checks_itself_and_its_entries(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        SuiteSpec(id="a", **fields)


def test_a_spec_does_not_change_with_the_dictionary_it_was_made_from() -> None:
    kwargs = {"sizes": [1, 2]}
    spec = dataclasses.replace(SCENARIO, kwargs=kwargs)
    kwargs["sizes"].append(3)
    assert spec.kwargs == {"sizes": [1, 2]}


def test_the_namespace_is_what_stands_before_the_slash() -> None:
    assert namespace_of("Acme/FetchKettle-v0") == "Acme"
    assert namespace_of("ppo") == ""


def test_loading_says_in_one_line_what_is_missing() -> None:
    assert load_object("als_engine.plugins.specs:ScenarioSpec") is ScenarioSpec
    with pytest.raises(PluginError, match="has no attribute 'Missing'"):
        load_object("als_engine.plugins.specs:Missing")


def test_the_extra_to_install_is_named_for_a_missing_library_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_needy.py").write_text("import not_installed")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError) as caught:
        load_object("acme_needy:Name", hint="; install it")
    line = "cannot load \"acme_needy:Name\": No module named 'not_installed'; install it"
    assert str(caught.value) == line
    with pytest.raises(PluginError, match=r"No module named 'acme_typo'$"):
        load_object("acme_typo.agents:Name", hint="; install it")


def test_did_you_mean_finds_the_nearest_name_whatever_its_case() -> None:
    names = ["ALS/Classroom-v0", "ALS/Tag-v0"]
    assert did_you_mean("als/clasroom-v0", names) == '; did you mean "ALS/Classroom-v0"?'
    assert did_you_mean("zzz", names) == ""


def test_errors_cross_a_process_boundary_whole() -> None:
    error = pickle.loads(pickle.dumps(PhysicsError("world 3: a crate is at NaN", world=3)))
    assert (str(error), error.world) == ("world 3: a crate is at NaN", 3)
    assert isinstance(error, ALSError)
