"""`als doctor` says what works and what is missing, with the command; only what is broken fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from als_command import als

from als_engine.cli import doctor
from als_engine.physics import engines
from als_engine.system import browser

ALS = Path(sys.executable).with_name("als")


def line_of(text: str, topic: str) -> str:
    lines = text.splitlines()
    at = next(k for k, line in enumerate(lines) if line[3:].startswith(f"{topic} "))
    below = lines[at + 1 : at + 2]
    return lines[at] + (below[0] if below and below[0].strip().startswith("->") else "")


def test_a_whole_installation_is_well() -> None:
    done = subprocess.run([ALS, "doctor", "--json"], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    found = {each["topic"]: each for each in said["findings"]}
    assert said["ok"]
    for topic in ("python", "platform", f"physics {engines.DEFAULT}", "libraries", "plugins"):
        assert found[topic]["status"] == "ok"
    assert sys.executable in found["python"]["text"]
    assert found["libraries"]["versions"]["numba"] == version("numba")
    assert "its C functions are found" in found[f"physics {engines.DEFAULT}"]["text"]
    assert {"kernels", "browser", "sandbox", "extra learn", "extra mujoco"} <= {*found}
    assert "extra all" not in found


def test_the_default_engine_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    result = als("doctor")
    assert (result.code, result.err) == (1, "")
    default, other = sorted(engines.ENGINES, key=lambda name: name != engines.DEFAULT)
    line = line_of(result.out, f"physics {default}")
    assert line.startswith("NO ")
    assert f"-> {engines.ENGINES[default].remedy}" in line
    assert line_of(result.out, f"physics {other}").startswith("-- ")


def test_an_engine_without_its_c_functions_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise OSError(f"{name} cannot be loaded\non this machine")

    monkeypatch.setattr(doctor, "import_module", refuse)
    result = als("doctor")
    assert result.code == 1
    line = line_of(result.out, "physics mujoco")
    assert line.startswith("NO ")
    assert "cannot be loaded on this machine" in line


def test_an_extra_that_is_missing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> str:
        if name == "pyarrow":
            raise doctor.PackageNotFoundError(name)
        return "0.1" if name == "ray" else version(name)

    monkeypatch.setattr(doctor, "version", found)
    result = als("doctor")
    assert result.code == 0
    line = line_of(result.out, "extra parquet")
    assert line.startswith("-- ")
    assert "missing: pyarrow" in line
    assert line.endswith('-> pip install "als-engine[parquet]"')
    assert "ray>=2.40 (here: 0.1)" in line_of(result.out, "extra ray")


def test_a_library_that_is_too_old_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda name: "1.0" if name == "numpy" else version(name))
    result = als("doctor")
    assert result.code == 1
    assert "numpy>=2.0 (here: 1.0)" in line_of(result.out, "libraries")


def test_it_says_where_kernels_are_kept_and_whether_there_are_any(tmp_path: Path) -> None:
    given = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([ALS, "doctor"], capture_output=True, text=True, env=given, timeout=100)
    assert done.returncode == 0
    line = line_of(done.stdout, "kernels")
    assert line.startswith("-- ")
    assert f"none compiled yet, in {tmp_path}" in line
    assert line.endswith("-> als warm")


def test_a_browser_is_found_on_the_path_or_where_playwright_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert browser.find_chromium() is None
    assert line_of(als("doctor").out, "browser").endswith("-m playwright install chromium")
    for build in (9, 1187):
        chrome = tmp_path / f"chromium-{build}" / "chrome-linux64" / "chrome"
        chrome.parent.mkdir(parents=True)
        chrome.touch(0o755)
    assert browser.find_chromium() == chrome
    system = tmp_path / "chromium"
    system.touch(0o755)
    assert browser.find_chromium() == system
