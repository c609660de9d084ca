"""Sensors: what avatars observe. `make_sensors` finds them by the names of their observations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from als_engine.errors import ArgumentError, PluginError, unknown
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SensorSpec, load_object
from als_engine.sensors.base import Sensor, Setup

__all__ = ["SENSORS", "SUMMARIES", "Sensor", "Setup", "make_sensors"]

SENSORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rgb": "als_engine.sensors.camera:Camera",
        "depth": "als_engine.sensors.camera:Camera",
        "semantic": "als_engine.sensors.camera:Camera",
        "audio": "als_engine.sensors.audio:Audio",
        "text": "als_engine.sensors.text:Text",
        "heard": "als_engine.sensors.heard:Heard",
        "touch": "als_engine.sensors.touch:Touch",
        "proprioception": "als_engine.sensors.proprioception:Proprioception",
        "entities": "als_engine.sensors.entities:Entities",
        "role": "als_engine.sensors.role:Role",
    }
)
"""The engine's own sensors: observation key -> "module:Class", imported when first used."""


SUMMARIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rgb": "What the eyes see, in colour.",
        "depth": "How far away what they see is.",
        "semantic": "What it is that they see.",
        "audio": "How loud it is at both ears, by octave.",
        "text": "The instruction, and what is said and heard.",
        "heard": "Who said what how near, as numbers.",
        "touch": "Pressure around the body, and the weight in the hand.",
        "proprioception": "How the body moves, and what it holds.",
        "entities": "The things and avatars around, one row for each.",
        "role": "Which of the roles the avatar has.",
    }
)
"""One line for each of them."""


def make_sensors(
    names: Iterable[str],
    setup: Setup,
    extra: Mapping[str, type[Sensor]] | None = None,
    offered: Mapping[str, SensorSpec] | None = None,
) -> list[Sensor]:
    """Makes the sensors that fill the named observations, one instance for each class.

    Args:
        names: observation keys, such as `rgb`; one given twice counts once.
        setup: what every sensor is told.
        extra: the task's own sensors: observation key -> class.
        offered: those of plugins, by observation key; a task's own of the same name goes first, so
            that no plugin can take anything from a scenario.

    Returns:
        The sensors in the order in which `names` first asks for them.

    Raises:
        ArgumentError: nothing provides a name, or a task takes a name of the engine's own.
        PluginError: an offered sensor cannot be imported or is not a `Sensor` with that name.
    """
    extra, offered = extra or {}, offered or {}
    for key in extra:
        if key in SENSORS:
            raise ArgumentError(f'two sensors provide "{key}"; choose another name for the task\'s')
    wanted: dict[type[Sensor], list[str]] = {}
    for name in dict.fromkeys(names):
        if name in extra:
            found, whose = extra[name], ""
        elif name in SENSORS:
            found, whose = load_object(SENSORS[name]), ""
        elif name in offered:
            found = registry.load(offered[name])
            whose = f" of {registry.distribution(offered[name])}"
        else:
            raise ArgumentError(unknown("sensor", name, (*SENSORS, *offered, *extra)))
        if not (isinstance(found, type) and issubclass(found, Sensor)):
            raise PluginError(f'sensor "{name}"{whose} must be a subclass of Sensor, got {found!r}')
        if name not in found.provides:
            raise PluginError(
                f'sensor {found.__name__}{whose} does not list "{name}" in `provides`'
            )
        wanted.setdefault(found, []).append(name)
    return [sensor(setup, enabled) for sensor, enabled in wanted.items()]
