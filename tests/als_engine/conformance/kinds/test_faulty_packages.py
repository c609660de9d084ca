"""Packages that hang, end, abort or talk: each is a line of the report, with its place."""

from __future__ import annotations

import json
import sys

import pytest
from faulty_packages import IMPORTS, STEPS, package
from installed import Site

from als_engine.conformance import Options, check_everything
from als_engine.conformance.kinds import packages
from als_engine.conformance.kinds.alone import check_alone, load_alone
from als_engine.conformance.kinds.subjects import Job, Thing
from als_engine.conformance.places import Own


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    found = Site(tmp_path_factory.mktemp("faulty"))
    for name in IMPORTS:
        found.install(*package(name, importing=IMPORTS[name]))
    return found


def own(site, name):
    module = f"faulty_{name}"
    return Own([], packages=[module], roots=[str(site.folder / module)])


@pytest.mark.parametrize(
    ("name", "reason", "place"),
    [
        ("leaves", "it ends the process (exit code 4)", ""),
        ("aborts", "it ends the process (SIGABRT)", "hooks.py:1, in <module>: import os; os.ab"),
        ("hangs", "it hangs: it was not done after 6 s", "hooks.py:1, in <module>: import time;"),
    ],
)
def test_what_ends_or_holds_the_process_is_told_with_its_place(
    site, name, reason, place, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "path", [str(site.folder), *sys.path])
    patience = 6.0 if name == "hangs" else 100.0
    _, ending = load_alone(tmp_path, f"faulty-{name}", own(site, name), patience)
    assert ending.reason == reason
    assert place in ending.place


def test_an_error_noise_an_exit_and_a_heavy_import_are_told(site, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(site.folder), *sys.path])
    found = {}
    for name in ("exits", "raises", "talks", "heavy"):
        folder = tmp_path / name
        folder.mkdir()
        lines, ending = load_alone(folder, f"faulty-{name}", own(site, name), 100.0)
        found[name] = (lines[0]["loaded"], ending)
    assert found["exits"][0]["error"] == "SystemExit: 3"
    assert found["raises"][0]["error"] == "ZeroDivisionError: division by zero"
    assert "hooks.py:2, in boom: 1 / 0" in found["raises"][0]["place"]
    assert found["talks"][1].noise == "hello from the import"
    assert found["heavy"][0]["heavy"] == ["pettingzoo"]
    assert not any(ending.reason for _, ending in found.values())


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    found = Site(tmp_path_factory.mktemp("steps"))
    for name in STEPS:
        found.install(*package(name, step=STEPS[name]))
    return found


@pytest.mark.parametrize(
    ("name", "failure", "place"),
    [
        ("stephangs", "it hangs: it was not done after 20 s", "in after_step: time.sleep(600)"),
        ("stepleaves", "it ends the process (exit code 5)", ""),
        ("stepwrites", "it writes 'noise", ""),
    ],
)
def test_a_scenario_that_ends_its_process_fails_that_point(
    steps, name, failure, place, monkeypatch
):
    for key, value in steps.environment().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys, "path", [str(steps.folder), *sys.path])
    options = Options(levels=2, episodes=1, steps=4, only=["answers"])
    job = Job(Thing("scenario", f"{name.title()}/Walk-v0"), options)
    shown = []
    report = check_alone(job, own(steps, name), shown.append, patience=20.0)
    assert tuple(shown) == report.results
    (fault,) = [each for result in report.results for each in result.failures]
    assert failure in fault.text
    assert place in fault.place


def test_als_check_of_a_package_that_hangs_ends(tmp_path):
    hanging = Site(tmp_path)
    hanging.install(*package("hangs", importing=IMPORTS["hangs"]))
    words = ("check", "faulty-hangs", "--json", "--patience", 6)
    ran = hanging.als(*words, ALS_PLUGIN_TIMEOUT="6")
    assert ran.returncode == 1, ran.stderr
    ((loading, *others),) = [report["results"] for report in json.loads(ran.stdout)]
    (fault,) = loading["failures"]
    assert fault["text"] == "when it is imported it hangs: it was not done after 6 s"
    assert "hooks.py:1, in <module>: import time; time.sleep(600)" in fault["place"]
    assert {other["outcome"] for other in others} == {"not looked at"}


def test_als_check_of_a_package_goes_on_after_an_abort_and_its_json_stays_json(steps):
    points = ("loading", "namespace", "answers", "terms")
    words = [word for point in points for word in ("--only", point)]
    ran = steps.als("check", "faulty-stepaborts", "--json", "--steps", "4", *words)
    assert ran.returncode == 1, ran.stderr
    package, scenario = json.loads(ran.stdout)
    assert (package["kind"], package["id"], package["ok"]) == ("package", "faulty-stepaborts", True)
    answers, terms = scenario["results"]
    (fault,) = answers["failures"]
    assert fault["text"] == "it ends the process (SIGABRT)"
    assert "world.py:13, in after_step: os.abort()" in fault["place"]
    assert (terms["outcome"], terms["told_by"]) == ("broken off", "answers")


@pytest.mark.timeout(400)
def test_the_engines_own_distribution_can_be_checked_as_a_package():
    (report,) = check_everything("als-engine", only=[*packages.CHECKS])
    assert [result.check for result in report.results] == [*packages.CHECKS]
    assert report.score == 1.0
