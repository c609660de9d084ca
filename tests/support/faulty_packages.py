"""Packages that hurt, as files of distributions: each hangs, ends, aborts or talks."""

from __future__ import annotations

_HOOKS = """
from als_engine import ScenarioSpec, hookimpl

@hookimpl
def als_scenarios():
    return [ScenarioSpec("{space}/Walk-v0", "{module}.world:Walk", max_episode_steps=20)]
"""

_WORLD = """
import os, sys, time
import numpy as np
from als_engine import Layout, Task

class Walk(Task):
    default_sensors = ("proprioception",)

    def layout(self, rng, level):
        return Layout(spawns=[rng.uniform(-1, 1, 2).tolist()])

    def after_step(self, state):
        {step}

    def reward(self, state):
        return self.everyone(np.zeros(state.num_worlds))
"""

_NAMESPACE = '[als_engine.namespaces]\n{space} = "{module}"'


def package(name: str, importing: str = "", step: str = "pass", declared: bool = True):
    """The files of a package, its entry point and its metadata, as `Site.install` takes them."""
    space, module = name.title(), f"faulty_{name}"
    files = {
        f"{module}/__init__.py": "",
        f"{module}/hooks.py": importing + _HOOKS.format(space=space, module=module),
        f"{module}/world.py": _WORLD.format(step=step),
    }
    metadata = _NAMESPACE.format(space=space, module=module) if declared else ""
    return f"faulty-{name}", files, f"{module}.hooks", metadata


IMPORTS = {
    "exits": "raise SystemExit(3)",
    "leaves": "import os; os._exit(4)",
    "aborts": "import os; os.abort()",
    "hangs": "import time; time.sleep(600)",
    "talks": "print('hello from the import')",
    "raises": "def boom():\n    1 / 0\nboom()",
    "heavy": "import pettingzoo",
}
"""What each of them does when it is imported."""

STEPS = {
    "stepaborts": "os.abort()",
    "stephangs": "time.sleep(600) if state.step[0] == 2 else None",
    "stepleaves": "os._exit(5)",
    "stepwrites": "os.write(1, b'noise')",
}
"""What each of them does in a step."""
