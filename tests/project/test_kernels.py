"""Kernels are small at their faces, and compiled for Python only where Python calls them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from places import ROOT

PACKAGES = ("als_engine", "scenarios/als_scenarios", "plugins/als_plugins", "plugins/als_bench")
MOST_PARAMETERS = 12
# `system.compiling` has two ways to compile; `inlined` is the renderer's name for one of them.
FROM_PYTHON, FROM_KERNELS = {"kernel"}, {"inner", "inlined", "_inner"}


class Kernel(NamedTuple):
    """A function that Numba compiles."""

    place: str
    way: str
    node: ast.FunctionDef

    @property
    def parameters(self) -> int:
        given = self.node.args
        return len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)


def trees(*folders: str, naming: set[str] | None = None) -> Iterator[tuple[Path, ast.Module]]:
    """The files of some folders, or those of them where one of these names stands."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if naming is None or naming & {*re.findall(r"\w+", text)}:
                yield path, ast.parse(text)


def way_of(node: ast.FunctionDef) -> str | None:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
        if name in FROM_PYTHON | FROM_KERNELS:
            return name
    return None


def kernels_in(path: Path, tree: ast.Module) -> Iterator[Kernel]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and (way := way_of(node)):
            yield Kernel(f"{path.relative_to(ROOT)}: {node.name}", way, node)


KERNELS = [kernel for path, tree in trees(*PACKAGES) for kernel in kernels_in(path, tree)]


def test_no_kernel_has_more_than_twelve_parameters() -> None:
    assert len(KERNELS) > 100
    assert [k.place for k in KERNELS if k.parameters > MOST_PARAMETERS] == []


def test_what_only_kernels_call_is_compiled_without_a_wrapper_for_python() -> None:
    """A wrapper takes as long to compile as a small kernel."""
    used_by_python: set[str] = set()
    wanted = {k.node.name for k in KERNELS if k.way in FROM_PYTHON}
    for _, tree in trees(*PACKAGES, "benchmarks", "tests", naming=wanted):
        inside = {id(node) for k in ast.walk(tree) if isinstance(k, ast.FunctionDef) and way_of(k)
                  for node in ast.walk(k)}  # fmt: skip
        for node in ast.walk(tree):
            if id(node) not in inside and isinstance(node, (ast.Name, ast.Attribute)):
                used_by_python.add(node.id if isinstance(node, ast.Name) else node.attr)
    needless = [k.place for k in KERNELS if k.way in FROM_PYTHON
                and k.node.name not in used_by_python]  # fmt: skip
    assert needless == []
