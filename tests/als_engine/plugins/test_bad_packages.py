"""Two good packages and seventy bad ones, built as wheels and installed by pip in one folder.

The good ones were there first. Whatever the others do, each is named with what is wrong, and the
good ones, the bundled ones, the process and `--json` stay what they are.
"""

from __future__ import annotations

import json
import re
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest
import wheel_files
from bad_packages import BAD, ENDS, OFFER, RAISE, packages
from installed import BUNDLED, Site

pytestmark = pytest.mark.timeout(300)  # The first of these tests builds and installs everything.

GOOD = {"acme-kitchen": "kitchen", "acme-lab": "lab"}
ACME = {"Acme/FetchKettle-v0", "Acme/Lab-v0"}

PROBE = """
import gc, json, locale, logging, os, random, signal, sys, warnings
import gymnasium, numpy, pluggy
locale.setlocale(locale.LC_ALL, "C.UTF-8")
before_all = dict(gymnasium.registry)

def mask():
    now = os.umask(0)
    os.umask(now)
    return now

def state():
    return repr((
        os.getcwd(), mask(), signal.getsignal(signal.SIGINT), signal.getitimer(signal.ITIMER_REAL),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()), warnings.filters[:], warnings.showwarning,
        locale.setlocale(locale.LC_ALL), random.getstate(), numpy.random.get_state(),
        numpy.geterr(), sys.argv, sys.getrecursionlimit(), sys.excepthook, sys.stdin is None,
        os.fstat(0).st_ino, os.fstat(1).st_ino, os.fstat(2).st_ino, gc.isenabled(),
        logging.root.manager.disable, {key: before_all[key] is gymnasium.registry.get(key)
        for key in before_all},
    ))

before = state()
from als_engine.plugins.registry import registry
after = state()
import keeps
keeps.kept.write("")
keeps.kept.flush()
found = {
    "before": before, "after": after,
    "tag": gymnasium.spec("ALS/Tag-v0").entry_point,
    "kettle": gymnasium.spec("Acme/FetchKettle-v0").entry_point,
    "kwargs": dict(registry.scenario("ALS/Tag-v0").kwargs),
    "ids": [id for id in gymnasium.registry if "/" in id],
}
with open("probe.json", "w") as file:
    json.dump(found, file)
"""


class Crowd(NamedTuple):
    """The folder, and what the first start with everybody in it has said."""

    site: Site
    first: CompletedProcess[str]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    site = Site(tmp_path_factory.mktemp("crowd"), limit=100)
    wheel_files.install(
        [wheel_files.package("acme_kitchen"), wheel_files.package("acme_lab")], site.folder
    )
    assert site.als("list").stderr == ""
    wheel_files.install(packages(), site.folder)
    return Crowd(site, site.als("list", "--json"))


@pytest.fixture(scope="module")
def listed(crowd: Crowd) -> dict[str, dict[str, Any]]:
    """What `als plugins --json` says, by distribution; the second start."""
    result = crowd.site.als("plugins", "--json")
    assert result.returncode == 0, result.stderr
    return {plugin["distribution"]: plugin for plugin in json.loads(result.stdout)}


def test_json_is_json_whatever_plugins_print_at_whatever_time(crowd: Crowd) -> None:
    ids = {spec["id"] for spec in json.loads(crowd.first.stdout)}
    assert {*BUNDLED, *ACME} <= ids
    assert crowd.first.returncode == 0
    assert "prints-lines: [1, 2] hello\nprints-lines: from C\n" in crowd.first.stderr
    assert "prints-colours: \\x1b[31mred\n" in crowd.first.stderr
    for late in ("later", "at the end"):
        assert late in crowd.first.stderr


@pytest.mark.parametrize("name", BAD)
def test_a_bad_package_is_named_with_what_is_wrong(
    listed: dict[str, dict[str, Any]], name: str
) -> None:
    found, bad = listed[name], BAD[name]
    assert bad.says in (found["reason"] or "")
    assert found["status"] == bad.status
    assert "\n" not in (found["reason"] or "")


@pytest.mark.parametrize("name", ENDS)
def test_what_would_end_the_process_is_tried_elsewhere_and_remembered(
    crowd: Crowd, listed: dict[str, dict[str, Any]], name: str
) -> None:
    (line,) = [each for each in crowd.first.stderr.splitlines() if f"plugin {name} " in each]
    assert line == f"als: plugin {name} {listed[name]['reason']}"
    assert "it is left out until it changes: `als plugins --retry` tries it again" in line


def test_good_packages_keep_all_that_they_had(listed: dict[str, dict[str, Any]]) -> None:
    assert {name: listed[name]["status"] for name in GOOD} == dict.fromkeys(GOOD, "loaded")
    assert [each["id"] for each in listed["acme-kitchen"]["gives"]] == ["Acme/FetchKettle-v0"]
    assert {(each["kind"], each["id"]) for each in listed["acme-lab"]["gives"]} == {
        ("scenario", "Acme/Lab-v0"),
        ("agent", "walker"),
        ("sensor", "Acme/thermometer"),
        ("encoder", "Acme/net"),
        ("suite", "breakfast"),
    }
    assert listed["acme-lab"]["version"] == "2.0"
    assert listed["acme-lab"]["api"] == "1"


def test_a_good_command_goes_on_and_prints_json_in_its_own_way(crowd: Crowd) -> None:
    """What a thread prints while it runs cannot be told from what it prints itself."""
    result = crowd.site.als("kettle", "--json", ALS_DISABLE_PLUGINS="prints-later")
    assert (result.returncode, json.loads(result.stdout)) == (0, {"whistles": True})
    for name in ("aa-command", "our-command", "looks-command"):
        assert f"plugin {name} failed in als_commands" in result.stderr


def test_a_failure_is_shown_with_the_last_place_of_its_own(
    listed: dict[str, dict[str, Any]],
) -> None:
    where = {name: listed[name]["where"] for name in RAISE}
    assert where["raises-in-hook"].endswith("raises_in_hook.py:8 in als_scenarios")
    assert where["raises-exit"].endswith("raises_exit.py:2")
    assert where["raises-syntax"].endswith("raises_syntax.py:1")
    assert where["no-module"] is None


def test_the_table_says_how_one_is_left_out(crowd: Crowd) -> None:
    off = ",".join({*BAD} - {"raises-in-hook"})
    result = crowd.site.als("plugins", ALS_DISABLE_PLUGINS=off)
    assert "ALS_DISABLE_PLUGINS=raises-in-hook" in result.stdout
    assert "disabled" in result.stdout
    assert re.search(r"raises-in-hook main: .*division by zero \(.*\.py:8 in als_sc", result.stderr)
    assert len(result.stderr.splitlines()) == 1


def test_the_process_is_as_it_was(crowd: Crowd) -> None:
    result = crowd.site.run(f"import os\nos.chdir({str(crowd.site.folder)!r})\n{PROBE}")
    assert result.returncode == 0, result.stderr
    found = json.loads((crowd.site.folder / "probe.json").read_text())
    assert found["after"] == found["before"]
    assert found["tag"] == found["kettle"] == "als_engine.envs.single:SingleEnv"
    assert "size" not in found["kwargs"]
    assert {*BUNDLED, *ACME} <= set(found["ids"])


def test_every_kind_of_harm_is_there() -> None:
    assert len(BAD) >= 50
    assert {bad.status for bad in BAD.values()} == {"refused", "failed", "loaded"}
    assert {bad.status for bad in OFFER.values()} <= {"refused", "failed"}
