"""A release has one version everywhere, a section in the changelog, and scenarios that stay."""

from __future__ import annotations

import datetime
import json
import re
import sys
from pathlib import Path

import golden
import pytest
from places import ROOT

import als_engine

sys.path.append(str(ROOT / "tests" / "smoke"))

import release

DAY = datetime.date(2030, 1, 2)
OLD, NEW = (
    {"pybullet 1": {each: {} for each in ids}} for ids in (["A/B-v0"], ["A/B-v1", "A/C-v0"])
)
LOG = "# Changelog\n\n## 0.2.0 - unreleased\n\n- A thing.\n\n## 0.1.0 - 2029-01-01\n\n- First.\n"


def copied(folder: Path) -> Path:
    for name in (*release.VERSIONED, "CHANGELOG.md", str(release.GOLDEN)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def test_all_files_say_the_same_version() -> None:
    for name, (pattern, _) in release.VERSIONED.items():
        assert re.findall(pattern, (ROOT / name).read_text("utf-8")) == [als_engine.__version__]


def test_the_unreleased_section_becomes_the_releases() -> None:
    made = release.section(LOG, "0.2.1", DAY, NEW, OLD)
    assert made == (
        "# Changelog\n\n## 0.2.1 - 2030-01-02\n\n- A thing.\n- Physics: pybullet 1.\n"
        "- Scenarios that are new: `A/B-v1`, `A/C-v0`.\n"
        "- Scenarios that are no longer there: `A/B-v0`.\n\n## 0.1.0 - 2029-01-01\n\n- First.\n"
    )
    for empty in (LOG.replace("- A thing.\n", ""), LOG.replace("unreleased", "2029-02-01")):
        with pytest.raises(release.RefusedError, match="has no section"):
            release.section(empty, "0.2.1", DAY, NEW, OLD)


def test_a_release_is_written_everywhere_and_its_digests_are_kept(tmp_path: Path) -> None:
    root = copied(tmp_path)
    release.write(root, "7.8.9", DAY)
    for name, (pattern, _) in release.VERSIONED.items():
        assert re.findall(pattern, (root / name).read_text("utf-8")) == ["7.8.9"]
    assert "## 7.8.9 - 2030-01-02\n" in (root / "CHANGELOG.md").read_text("utf-8")
    kept = json.loads((root / release.RELEASED).read_text("utf-8"))
    assert kept == json.loads(golden.FILE.read_text("utf-8"))


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "1.2.3; rm"])
def test_what_is_no_version_is_one_line_and_changes_nothing(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copied(tmp_path)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert release.main(version, root) == 1
    assert capsys.readouterr().out.startswith("No release: ")
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_where_a_check_fails_the_files_are_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(root: Path, version: str) -> None:
        assert version in (root / "CITATION.cff").read_text("utf-8")
        raise release.RefusedError("the wheel does not do what it should")

    monkeypatch.setattr(release, "check", broken)
    root = copied(tmp_path)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert release.main("7.8.9", root) == 1
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


# -- versions of scenarios ------------------------------------------------------------------------

SAME = {"states": ["a"], "rgb": "b", "touch": "c"}


def test_nothing_is_said_of_a_scenario_that_is_as_recorded() -> None:
    assert golden.difference("A/B-v0", SAME, dict(SAME), True) == ""


def test_a_changed_digest_says_what_changed_and_what_to_do() -> None:
    seen = golden.difference("A/B-v0", {**SAME, "rgb": "x"}, SAME, False)
    assert "A/B-v0: the same worlds are observed differently: rgb." in seen
    assert seen.endswith("  python tests/support/golden.py --record A/B-v0")
    moved = golden.difference("A/B-v9", {**SAME, "states": ["x"]}, SAME, True)
    assert "its worlds go another way" in moved
    assert 'Register the change as "A/B-v10"' in moved
    assert "--record A/B-v10" in moved
    assert "not recorded yet" in golden.difference("A/B-v0", SAME, None, False)
