"""ALS Engine: batched 3-D worlds in which avatars see, hear, read, speak and learn.

`import als_engine` registers every installed scenario with Gymnasium. The public names below are
imported when they are first used, so that the import itself stays light: no torch, no Numba, no
PyBullet and no PettingZoo.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from als_engine import errors
from als_engine.plugins.hookspecs import hookimpl
from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    EpisodeRecord,
    ScenarioSpec,
    SensorSpec,
    ShapeSpec,
    SuiteEntry,
    SuiteSpec,
)

if TYPE_CHECKING:
    from als_engine.agents.agent import Agent, Learner
    from als_engine.bodies.avatar import Commands
    from als_engine.envs.parallel import parallel_env
    from als_engine.envs.rows import Rows
    from als_engine.envs.sb3 import sb3_vec_env
    from als_engine.envs.time_limit import FollowTimeLimit
    from als_engine.navigation import Navigator, approach, reached
    from als_engine.sensors import Sensor
    from als_engine.simulation import Simulation
    from als_engine.task import Act, Behaviour, Role, Task, split_of
    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.body import Body, Effector
    from als_engine.world.layout import (
        Box,
        Cylinder,
        Hinge,
        Layout,
        Prop,
        Sign,
        SoundSource,
        Spawn,
        Sphere,
    )
    from als_engine.world.room import Room
    from als_engine.world.screens import Screen
    from als_engine.world.shapes import Part, Shape
    from als_engine.world.snapshot import Snapshot
    from als_engine.world.speech import Verb
    from als_engine.world.state import Quantity, WorldState

__version__ = "0.1.0"

__all__ = [
    "Act",
    "Agent",
    "AgentSpec",
    "Behaviour",
    "Body",
    "BoolArray",
    "Box",
    "Commands",
    "Cylinder",
    "Effector",
    "EncoderSpec",
    "EpisodeRecord",
    "FloatArray",
    "FollowTimeLimit",
    "Hinge",
    "Layout",
    "Learner",
    "Navigator",
    "Part",
    "Prop",
    "Quantity",
    "Role",
    "Room",
    "Rows",
    "ScenarioSpec",
    "Screen",
    "Sensor",
    "SensorSpec",
    "Shape",
    "ShapeSpec",
    "Sign",
    "Simulation",
    "Snapshot",
    "SoundSource",
    "Spawn",
    "Sphere",
    "SuiteEntry",
    "SuiteSpec",
    "Task",
    "Verb",
    "WorldState",
    "__version__",
    "approach",
    "errors",
    "hookimpl",
    "parallel_env",
    "reached",
    "sb3_vec_env",
    "split_of",
]

# Name -> the module that it is imported from at its first use (PEP 562).
_LAZY = {
    "Act": "als_engine.task",
    "Agent": "als_engine.agents.agent",
    "Behaviour": "als_engine.task",
    "Body": "als_engine.world.body",
    "BoolArray": "als_engine.world.arrays",
    "Box": "als_engine.world.layout",
    "Commands": "als_engine.bodies.avatar",
    "Cylinder": "als_engine.world.layout",
    "Effector": "als_engine.world.body",
    "FloatArray": "als_engine.world.arrays",
    "FollowTimeLimit": "als_engine.envs.time_limit",
    "Hinge": "als_engine.world.layout",
    "Layout": "als_engine.world.layout",
    "Learner": "als_engine.agents.agent",
    "Navigator": "als_engine.navigation",
    "Part": "als_engine.world.shapes",
    "Prop": "als_engine.world.layout",
    "Quantity": "als_engine.world.state",
    "Role": "als_engine.task",
    "Room": "als_engine.world.room",
    "Rows": "als_engine.envs.rows",
    "Screen": "als_engine.world.screens",
    "Sensor": "als_engine.sensors",
    "Shape": "als_engine.world.shapes",
    "Sign": "als_engine.world.layout",
    "Simulation": "als_engine.simulation",
    "Snapshot": "als_engine.world.snapshot",
    "SoundSource": "als_engine.world.layout",
    "Spawn": "als_engine.world.layout",
    "Sphere": "als_engine.world.layout",
    "Task": "als_engine.task",
    "Verb": "als_engine.world.speech",
    "WorldState": "als_engine.world.state",
    "approach": "als_engine.navigation",
    "parallel_env": "als_engine.envs.parallel",
    "reached": "als_engine.navigation",
    "sb3_vec_env": "als_engine.envs.sb3",
    "split_of": "als_engine.task",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the lazy names too."""
    return sorted({*globals(), *__all__})


# Last of all: a plugin that is loaded now imports this module, and has to find everything in it.
from als_engine.plugins import registration as _registration  # noqa: E402

# The `als` command imports this package before its own error handling can run, so there it is
# `main()` that raises a strict failure, as one line.
_is_command = os.path.basename(sys.argv[0] if sys.argv else "") in ("als", "als.exe")
if _is_command and "--json" in sys.argv[1:]:
    from als_engine.system import json_output as _json_output

    _json_output.keep()
_registration.register_scenarios(strict=False if _is_command else None)
