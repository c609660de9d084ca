"""What cannot be caught is tried elsewhere first: an abort, an exit, a hang, a thread that stays.

The packages are installed and met by real processes, each with a cache folder of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bad_packages import acts, offers, scenario
from installed import Site

from als_engine.plugins.containment import contained
from als_engine.plugins.hookspecs import hookimpl
from als_engine.plugins.registry import Registry

WALKER = offers("als_agents", "[AgentSpec('acme/walker', 'a:B')]")
WALKS = "from als_engine.plugins.registry import registry; print(registry.agent('acme/walker').id)"
GOES_ON = "import als_engine; print('goes on')"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, limit=100)


def _install(site: Site, name: str, source: str) -> None:
    site.install(name, {f"{name}.py": source}, name)


def test_what_ends_a_process_is_left_out_until_it_changes(site: Site) -> None:
    """Whatever is met afterwards goes on, and so does who reads JSON."""
    _install(site, "acme", "import os\nos._exit(0)\n")
    _install(site, "zeta", scenario("Zeta/Other-v0"))
    first = site.als("list", "--json")
    assert "Zeta/Other-v0" in {spec["id"] for spec in json.loads(first.stdout)}
    (line,) = first.stderr.splitlines()
    assert "plugin acme ended its process while it was loaded (exit code 0)" in line
    assert site.run(GOES_ON).stderr == ""  # It is not tried again,
    again = site.als("plugins", "--retry")  # unless somebody says so.
    assert again.returncode == 1
    assert "acme ended its process" in again.stdout
    # What has changed is given another chance by itself.
    (site.folder / "acme.py").write_text(WALKER + "# mended\n")
    mended = site.run(WALKS)
    assert (mended.stdout, mended.stderr) == ("acme/walker\n", "")


def test_what_hangs_is_named_after_a_second_and_left_out_after_its_time(site: Site) -> None:
    _install(site, "hangs", "import time\ntime.sleep(999)\n")
    _install(site, "sleeps", offers("als_agents", "[]", "import time; time.sleep(30)"))
    _install(site, "zeta", WALKER)
    result = site.run(WALKS, ALS_NO_NOTICES="", ALS_PLUGIN_TIMEOUT="8")
    assert result.stdout == "acme/walker\n"
    for name in ("hangs", "sleeps"):
        line = f"als: plugin {name} is still being imported after 1 s; Ctrl-C goes on without it\n"
        assert result.stderr.count(line) == 1
        assert f"{name} was not loaded after 8 s in a process of its own" in result.stderr


def test_ctrl_c_goes_on_without_what_hangs_and_it_is_remembered(site: Site) -> None:
    _install(site, "hangs", "import time\ntime.sleep(999)\n")
    done, err = _interrupted(site)
    assert done == "goes on\n"
    assert "plugin hangs was interrupted by Ctrl-C after" in err
    second = site.run(GOES_ON)
    assert (second.stdout, second.stderr) == ("goes on\n", "")


def test_ctrl_c_goes_on_without_what_hangs_in_this_process_only(tmp_path: Path) -> None:
    """It may have come through elsewhere, and it may catch what is raised."""
    catches = "import time\ntry:\n    time.sleep(999)\nexcept BaseException:\n    pass\n"
    site = Site(tmp_path, limit=0)
    _install(site, "hangs", catches)
    site.install("zeta", {"zeta.py": WALKER}, "zeta")
    done, _ = _interrupted(site, WALKS)
    assert done == "acme/walker\n"


def test_ctrl_c_within_a_second_is_for_the_program() -> None:
    with pytest.raises(KeyboardInterrupt), contained("acme", "at it", 1, can_end=True):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_goes_on_without_a_hook_that_takes_long() -> None:
    told: list[str] = []

    class Slow:
        @hookimpl
        def als_doctor(self) -> None:
            time.sleep(1.1)
            signal.raise_signal(signal.SIGINT)

    class Quick:
        @hookimpl
        def als_doctor(self) -> None:
            told.append("quick")

    fresh = Registry()
    fresh.add(Slow(), "slow")
    fresh.add(Quick(), "quick")
    with pytest.warns(RuntimeWarning, match="plugin slow failed in als_doctor.*interrupted by Ctr"):
        fresh.doctor(lambda finding: None)
    assert told == ["quick"]


def test_only_a_new_version_is_tried_elsewhere(site: Site) -> None:
    """Not every save of somebody who works on a package: that would take half a second each."""
    counts = "import os\nwith open(__file__ + '.count', 'a') as file:\n    file.write('.')\n"
    _install(site, "acme", counts + WALKER)
    count = site.folder / "acme.py.count"
    assert site.run(WALKS).stdout == "acme/walker\n"
    assert count.read_text() == ".."
    (site.folder / "acme.py").write_text(counts + WALKER + "# saved\n")
    assert site.run(WALKS).stdout == "acme/walker\n"
    assert count.read_text() == "..."


def test_without_forks_each_has_a_process_of_its_own(site: Site) -> None:
    (site.folder / "sitecustomize.py").write_text("import os\ndel os.fork\n")
    _install(site, "aborts", "import os\nos.abort()\n")
    _install(site, "zeta", WALKER)
    result = site.run(WALKS)
    assert result.stdout == "acme/walker\n"
    (line,) = result.stderr.splitlines()
    assert "aborts ended its process while it was loaded (SIGABRT)" in line


def test_a_package_that_was_only_killed_goes_on(site: Site) -> None:
    slow = f"import time, os\nif os.path.exists({str(site.folder / 'slow')!r}): time.sleep(100)\n"
    _install(site, "acme", slow + WALKER)
    assert site.run(WALKS).stdout == "acme/walker\n"
    (site.folder / "acme.py").write_text(slow + WALKER + "# changed\n")
    (site.folder / "slow").touch()
    process = subprocess.Popen([sys.executable, "-c", "import als_engine"], env=site.environment())
    _until(lambda: bool(list(site.folder.rglob("*.trying"))))
    process.kill()
    process.wait()
    (site.folder / "slow").unlink()
    result = site.run(WALKS)
    assert (result.stdout, "left out" in result.stderr) == ("acme/walker\n", False)
    assert not list(site.folder.rglob("*.trying"))


def test_commands_that_end_this_process_only_are_left_out_the_third_time(site: Site) -> None:
    """Where the process of their own has let them pass, as their process is not this one."""
    alone = "import os; os.environ.get('ALS_DISABLE_PLUGINS') or os._exit(5)"
    _install(site, "acme", acts("als_commands", "app", alone))
    assert [site.als("list").returncode for _ in range(2)] == [5, 5]
    third = site.als("list", "--json")
    assert json.loads(third.stdout)
    assert "acme ended this process twice while it was loaded" in third.stderr


def test_starts_at_the_same_time_do_not_mistake_one_another_for_dead(site: Site) -> None:
    _install(site, "acme", "import time\ntime.sleep(1)\n" + offers("als_agents", "[]"))
    command = [sys.executable, "-c", "import als_engine"]
    together = [
        subprocess.Popen(command, env=site.environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=100)[1] for process in together]
    assert not any("looking at it" in error or "left out" in error for error in errors)
    assert [process.returncode for process in together] == [0, 0, 0]


def test_a_cache_folder_that_cannot_be_written_is_done_without(site: Site) -> None:
    _install(site, "acme", WALKER)
    assert site.run(WALKS, XDG_CACHE_HOME=os.devnull).stdout == "acme/walker\n"


def test_what_torch_computes_with_is_not_a_plugin_s_to_say(site: Site) -> None:
    source = (
        "import torch\ntorch.set_default_dtype(torch.float64)\ntorch.set_num_threads(3)\n"
        "torch.manual_seed(0)\ndrawn = torch.get_rng_state()\n"
        "torch.use_deterministic_algorithms(True)\n"
    )
    _install(site, "acme", source + WALKER)
    code = (
        "import als_engine, torch, acme\n"
        "print(torch.get_default_dtype(), torch.get_num_threads(),\n"
        "    torch.are_deterministic_algorithms_enabled(),\n"
        "    torch.equal(acme.drawn, torch.get_rng_state()))"
    )
    result = site.run(code, ALS_PLUGIN_TIMEOUT="0", OMP_NUM_THREADS="1")
    assert result.stdout == "torch.float32 1 False False\n", result.stderr


def _interrupted(site: Site, code: str = GOES_ON) -> tuple[str, str]:
    """Runs code until something hangs, presses Ctrl-C, and returns what it has written."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=site.environment(ALS_NO_NOTICES=""),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = "plugin hangs is still being imported after 1 s; Ctrl-C goes on without it"
    assert any(line in each for each in process.stderr)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out, err


def _until(holds: Any) -> None:
    end = time.monotonic() + 100
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
