"""The page about `als check` lists every point, with failures that the tests have really seen."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from places import ROOT

from als_engine.conformance.kinds.checking import POINTS
from als_engine.plugins.specs import QUESTIONS

TESTS = ROOT / "tests" / "als_engine" / "conformance"
NOT_TRIED = {
    "scenario": {"spec", "workers", "time-limit", "gymnasium", "pettingzoo", "sb3", "heuristics"},
    "agent": {"contract"},
    "sensor": {"contract"},
    "encoder": {"again"},
    "package": {"offers", "classes", "quiet", "import-time", "loading", "namespace"},
}
"""Points of which no test has such a table: packages have tests of their own."""


def module(path: Any) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"page_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


page = module(ROOT / "docs" / "scripts" / "points_page.py")
EVERY = [(kind, name) for kind, checks in POINTS.items() for name in checks]


@pytest.fixture(scope="module")
def faults() -> list[tuple[str, str]]:
    """Point and fragment of a failure, of every row of the tests' tables."""
    files = ("test_conformance.py", "test_faulty_worlds.py", "kinds/test_faulty_parts.py")
    return [(row[1], row[2]) for file in files for row in module(TESTS / file).FAULTS]


def test_the_page_lists_every_point_and_question() -> None:
    text = (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")
    filled = page.insert_points(text)
    assert page.MARK in text
    assert page.MARK not in filled
    for kind, name in EVERY:
        promise = page.promise(POINTS[kind][name])
        assert promise.endswith(".")
        assert f"| `{name}` | {promise} | `{page.such_as(POINTS[kind][name])}` |" in filled
    assert set(QUESTIONS) == {line.split("`")[1] for line in text.splitlines() if "| `" in line}


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_point_shows_a_failure_that_was_seen(kind: str, name: str, faults: Any) -> None:
    example = page.such_as(POINTS[kind][name])
    assert example
    if name not in NOT_TRIED.get(kind, ()):
        seen = [fragment for point, fragment in faults if point == name]
        assert any(fragment.replace("`", "'") in example for fragment in seen), (example, seen)
