"""`make_sensors`: names in, sensors out, and a clear word about names that do not fit."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from als_engine.errors import ArgumentError, PluginError
from als_engine.plugins.specs import SensorSpec
from als_engine.sensors import SENSORS, Sensor, Setup, make_sensors

SETUP = Setup(num_worlds=2, num_avatars=3, observers=3)


class Thermometer(Sensor):
    provides = ("warmth", "humidity")

    def spaces(self):
        return {name: gymnasium.spaces.Box(0, 1, (1,), np.float32) for name in self.enabled}

    def read(self, state, out):
        for name in self.enabled:
            out[name][:] = 0.5


@pytest.mark.parametrize("name", [name for name in SENSORS if name not in ("rgb", "depth")])
def test_every_name_leads_to_a_sensor_that_provides_it(name):
    (sensor,) = make_sensors([name], SETUP)
    assert sensor.enabled == (name,)
    assert list(sensor.spaces()) == [name]


def test_names_of_one_class_share_one_instance():
    extra = {"warmth": Thermometer, "humidity": Thermometer}
    touch, thermometer = make_sensors(["touch", "humidity", "warmth"], SETUP, extra)
    assert touch.enabled == ("touch",)
    assert thermometer.enabled == ("warmth", "humidity")


def test_a_name_given_twice_counts_once():
    assert len(make_sensors(["touch", "touch"], SETUP)) == 1


def test_plugins_offer_sensors_by_reference():
    (sensor,) = make_sensors(
        ["warmth"], SETUP, offered={"warmth": SensorSpec("warmth", f"{__name__}:Thermometer")}
    )
    assert type(sensor).__name__ == "Thermometer"


def test_an_unknown_name_is_refused_with_the_nearest_one_and_all_there_are():
    with pytest.raises(
        ArgumentError, match='unknown sensor "entites"; did you mean "entities"'
    ) as e:
        make_sensors(["entites"], SETUP, {"warmth": Thermometer})
    assert "warmth" in str(e.value)
    assert "rgb" in str(e.value)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ArgumentError, match='two sensors provide "touch"'):
        make_sensors(["rgb"], SETUP, {"touch": Thermometer})


def test_no_plugins_sensor_takes_a_name_from_a_scenario():
    offered = {"warmth": SensorSpec("warmth", "no_such_module:Sensor")}
    _touch, warmth = make_sensors(["touch", "warmth"], SETUP, {"warmth": Thermometer}, offered)
    assert isinstance(warmth, Thermometer)


@pytest.mark.parametrize(
    ("offered", "message"),
    [
        ("no_such_module:Sensor", "cannot load"),
        ("collections:OrderedDict", "must be a subclass of Sensor"),
        ("als_engine.sensors.touch:Touch", 'does not list "warmth"'),
    ],
)
def test_a_broken_offer_is_a_plugin_error(offered, message):
    with pytest.raises(PluginError, match=message):
        make_sensors(["warmth"], SETUP, offered={"warmth": SensorSpec("warmth", offered)})
