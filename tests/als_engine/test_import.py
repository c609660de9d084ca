"""`import als_engine` is quick, light, and has every public name."""

from __future__ import annotations

import subprocess
import sys

import pytest

import als_engine

pytestmark = pytest.mark.usefixtures("new_interpreters")

HEAVY = (
    "torch",
    "numba",
    "pybullet",
    "mujoco",
    "pettingzoo",
    "typer",
    "rich",
    "sklearn",
    "stable_baselines3",
)


def _run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_importing_takes_less_than_twice_what_numpy_and_gymnasium_take() -> None:
    # Processor time, and the best of several: other tests are running on the same cores.
    code = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
    needed, ours = (
        min(float(_run(code.format(names))) for _ in range(4))
        for names in ("numpy, gymnasium", "als_engine")
    )
    assert ours < 2.0 * needed


def test_importing_brings_in_nothing_heavy() -> None:
    code = f"import sys, als_engine; print(*[name for name in {HEAVY} if name in sys.modules])"
    assert _run(code) == ""


def test_importing_registers_the_scenarios_without_their_code() -> None:
    code = (
        "import sys, als_engine, gymnasium; print('ALS/Classroom-v0' in gymnasium.registry, "
        "'als_scenarios.education.classroom' in sys.modules)"
    )
    assert _run(code) == "True False"


@pytest.mark.parametrize("name", als_engine.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(als_engine, name) is not None
    assert name in dir(als_engine)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Bxo'"):
        als_engine.Bxo  # noqa: B018
