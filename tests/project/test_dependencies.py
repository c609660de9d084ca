"""What is imported is declared, base code needs no extra, and users can install beside others."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from places import ROOT

from als_engine.physics.engines import bullet_package, default_engine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCES = [ROOT / "als_engine", ROOT / "scenarios", ROOT / "plugins"]
OURS = {"als_bench", "als_engine", "als_plugins", "als_scenarios"}
NEED_EXTRA = {
    "als_engine.agents.event_log",
    "als_engine.envs.sb3",
    "als_engine.physics.mujoco.api",
    "als_engine.physics.mujoco.backend",
    "als_engine.physics.mujoco.model",
    "als_engine.physics.mujoco.worlds",
}
"""Modules of the engine that are for an extra's users alone."""


def names(requirements: list[str], python: str = "", system: str = sys.platform) -> set[str]:
    """What is installed, here or on another version of Python and another system."""
    found = map(Requirement, requirements)
    here = {"python_version": python, "sys_platform": system} if python else None
    return {_plain(each.name) for each in found if not each.marker or each.marker.evaluate(here)}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


BASE = names(PROJECT["dependencies"])
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
USERS = {
    name
    for python in PYTHONS
    for extra in ("learn", "human", "mujoco", "parquet", "plots", "ray", "serve", "wandb")
    for name in names(PROJECT["dependencies"] + EXTRAS[extra], python)
}
"""What users may have, on any Python."""


@cache
def owners() -> Mapping[str, list[str]]:
    """The distributions that each top-level name comes from."""
    return packages_distributions()


@cache
def imports(path: Path) -> frozenset[str]:
    """The top-level names of the foreign packages that a file imports, anywhere in it."""
    tops = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found = [node.module]
        for name in found:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in OURS:
                tops.add(top)
    return frozenset(tops)


def test_every_import_is_declared() -> None:
    for source in SOURCES:
        for path in source.rglob("*.py"):
            for top in imports(path):
                found = {_plain(owner) for owner in owners().get(top, [top])}
                assert found & USERS, f"{path.relative_to(ROOT)} imports {top}, which is undeclared"


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_gets_the_engine_that_is_its_default(python: str, system: str) -> None:
    base = names(PROJECT["dependencies"], python, system)
    version = tuple(map(int, python.split(".")))
    engine = bullet_package(version, system) or "mujoco"
    assert base & {"pybullet", "pybullet-arm64", "mujoco"} == {engine}
    assert default_engine(version) == ("mujoco" if engine == "mujoco" else "bullet")
    assert "mujoco" in base | names(EXTRAS["mujoco"], python, system)


def test_the_versions_of_python_are_said_alike_everywhere() -> None:
    tested = SpecifierSet(PROJECT["requires-python"])
    classified = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if ":: 3." in line]
    assert classified == PYTHONS == [f"3.{n}" for n in range(8, 20) if f"3.{n}" in tested]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_has_one_tested_version(python: str) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if "==" in line and not line.startswith("#")]
    here = {"python_version": python}
    found = [_plain(pin.name) for pin in pins if not pin.marker or pin.marker.evaluate(here)]
    assert len(found) == len(set(found))
    wanted = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    assert names(wanted, python) - {"als-engine"} <= {*found}


def test_base_code_needs_no_extra() -> None:
    """Every module of the engine, every plugin and the command line, with the extras hidden."""
    extras = {
        top
        for source in SOURCES
        for path in source.rglob("*.py")
        for top in imports(path)
        if not {_plain(owner) for owner in owners().get(top, [top])} & BASE
    }
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "als_engine").rglob("*.py")
    )
    code = f"""
import importlib, sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(extras)!r}:
            raise ModuleNotFoundError(f"{{name}} is hidden", name=name)
sys.meta_path.insert(0, Hidden())
for name in {modules!r}:
    if name not in {sorted(NEED_EXTRA)!r} and not name.endswith("__main__"):
        importlib.import_module(name.removesuffix(".__init__"))
from als_engine.cli.app import build_app
from als_engine.plugins.registry import registry
build_app()
print([plugin.error for plugin in registry.failures()])
from als_bench.suites import find_suite
print(find_suite("smoke").id)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["[]", "smoke"]


BESIDE = [
    ([], ["ray[rllib]"]),
    (["learn"], ["rl-zoo3"]),
    (["learn"], ["torchrl", "supersuit"]),
    ([], ["skrl", "torch"]),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not os.environ.get("ALS_TEST_RESOLVING"),
    reason="asks the package index: set ALS_TEST_RESOLVING=1 where there is one",
)
@pytest.mark.parametrize(("extras", "beside"), BESIDE, ids=lambda names: "-".join(names) or "base")
def test_users_can_install_it_beside(extras: list[str], beside: list[str], tmp_path: Path) -> None:
    """Pip finds versions of everything; nothing but metadata is downloaded."""
    wanted = [*PROJECT["dependencies"], *(line for name in extras for line in EXTRAS[name])]
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--only-binary", ":all:", "--report", str(report), *wanted, *beside]
    run = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert run.returncode == 0, run.stderr
    installed = {
        _plain(item["metadata"]["name"])
        for item in json.loads(report.read_text("utf-8"))["install"]
    }
    assert BASE - {"tomli"} <= installed
    assert names(beside) <= installed
