"""`als list` shows everything that is installed, and who ships it."""

from __future__ import annotations

import json

import pytest
from als_command import als

import als_engine
from als_engine import hookimpl
from als_engine.plugins.discovery import BUNDLED
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SensorSpec
from als_engine.sensors import SENSORS, SUMMARIES


def listed(*words: str) -> list[dict[str, object]]:
    result = als("list", *words, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_every_id_of_every_kind_is_there_once_with_who_ships_it() -> None:
    items = listed()
    found = {(item["kind"], item["id"]) for item in items}
    assert len(found) == len(items)
    for kind, specs in {
        "scenario": registry.scenarios(),
        "encoder": registry.encoders(),
        "sensor": registry.sensors(),
        "shape": registry.shapes(),
        "suite": registry.suites(),
    }.items():
        assert {(kind, spec.id) for spec in specs} <= found
    for spec in registry.agents():
        assert ("learner" if spec.trainable else "agent", spec.id) in found
    assert {("sensor", name) for name in SENSORS} <= found
    assert {("command", "list"), ("command", "bench run"), ("command", "train")} <= found
    ours = {(item["distribution"], item["version"]) for item in items}
    assert ours == {(BUNDLED, als_engine.__version__)}


def test_a_spec_is_listed_with_all_its_fields() -> None:
    items = {item["id"]: item for item in listed("scenario")}
    for spec in registry.scenarios():
        assert items[spec.id].items() >= spec.as_dict().items()


def test_the_table_names_everything_too() -> None:
    table = als("list", columns=200).out
    for item in listed():
        assert str(item["id"]) in table
        assert str(item["summary"]) in table
    for spec in registry.scenarios():
        assert spec.family in table
    assert f"als-engine {als_engine.__version__}" in table


@pytest.mark.parametrize("word", ["agent", "agents"])
def test_one_kind_can_be_asked_for_in_the_singular_or_the_plural(word: str) -> None:
    assert {item["kind"] for item in listed(word)} == {"agent"}


def test_an_unknown_kind_is_one_line_with_the_nearest() -> None:
    result = als("list", "leaner")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith('Error: unknown kind "leaner"; did you mean "learner"?')


def test_every_sensor_of_the_engine_says_what_it_is() -> None:
    assert list(SUMMARIES) == list(SENSORS)


class Lidar:
    @hookimpl
    def als_sensors(self) -> list[SensorSpec]:
        return [SensorSpec("acme/lidar", "acme:Lidar", summary="How far the walls are.")]

    @hookimpl
    def als_commands(self, app: object) -> None:
        app.command("scan", help="Looks around.")(lambda: None)  # type: ignore[attr-defined]


def test_what_others_ship_is_listed_with_their_name() -> None:
    plugin = registry.add(Lidar(), distribution="acme-lidar")
    try:
        found = {item["id"]: item for item in listed() if item["distribution"] == "acme-lidar"}
    finally:
        registry.remove(plugin)
    assert set(found) == {"acme/lidar", "scan"}
    assert found["scan"]["summary"] == "Looks around."
