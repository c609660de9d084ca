"""Files and folders stay small enough to be read."""

from __future__ import annotations

import pytest
from places import ROOT

PACKAGES = ("als_engine", "plugins", "scenarios")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES if path.is_relative_to(ROOT / "als_engine")})


def test_no_file_has_more_than_450_lines() -> None:
    long = {
        str(path): lines for path in FILES if (lines := len(path.read_bytes().splitlines())) > 450
    }
    assert not long


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_folder_of_the_engine_has_more_than_14_modules(folder) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 14


def test_tests_lie_where_their_package_does() -> None:
    tests = ROOT / "tests"
    roots = {"als_engine": ROOT, "als_bench": ROOT / "plugins", "als_plugins": ROOT / "plugins"}
    roots["als_scenarios"] = ROOT / "scenarios"
    found = [path.relative_to(tests) for path in tests.rglob("test_*.py")]
    assert [path for path in found if len(path.parts) == 1] == []
    assert {path.parts[0] for path in found} == {*roots, "project"}
    lost = [
        path
        for path in found
        if path.parts[0] in roots and not (roots[path.parts[0]] / path.parent).is_dir()
    ]
    assert lost == []
