"""Whatever an installed package does, it is named, and everyone else goes on.

The packages are really installed and met by real processes. One process meets all those that fail
without taking it with them; the others have one each.
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
from installed import BUNDLED, Site

# By name: `import *` would bring in every module of the engine, torch among them.
HOOKS = """
from als_engine import AgentSpec, ScenarioSpec, SensorSpec, hookimpl
"""


def offers(hook: str, value: str, before: str = "") -> str:
    """The source of a module with one hook, which returns a value."""
    return f"{HOOKS}\n@hookimpl\ndef {hook}():\n    {before}\n    return {value}\n"


def acts(hook: str, argument: str, body: str) -> str:
    """The source of a module with one hook that does something."""
    return f"{HOOKS}\n@hookimpl\ndef {hook}({argument}):\n    {body}\n"


EVIL = """
class Evil(BaseException):
    def __str__(self):
        raise SystemExit(7)
    __repr__ = __str__
"""

# Distribution -> its module, and what is kept as the reason why it failed.
FAILING = {
    "exits": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "leaves": ("raise GeneratorExit", "GeneratorExit"),
    "evil": (f"{EVIL}\nraise Evil", "Evil: (its message cannot be read)"),
    "asks": ("input('your key? ')", "EOFError"),
    "hook-exits": (
        offers("als_scenarios", "[]", "raise SystemExit(4)"),
        "als_scenarios: SystemExit: 4",
    ),
    "hook-number": (offers("als_agents", "5"), "als_agents: TypeError: 'int' object is not"),
    "hook-text": (
        offers("als_suites", "'abc'"),
        "als_suites must return SuiteSpecs, got 'a'",
    ),
    "hook-type": (
        offers("als_encoders", "[SensorSpec('a/b', 'a:B')]"),
        "als_encoders must return EncoderSpecs, got SensorSpec",
    ),
    "hook-evil": (EVIL + offers("als_sensors", "[Evil()]"), "must return SensorSpecs, got a Evil"),
    "hook-endless": (
        "import itertools\n" + offers("als_agents", "itertools.repeat(1)"),
        "als_agents must return at most 10000 AgentSpecs",
    ),
    "hook-field": (
        offers("als_agents", "[AgentSpec('a', 'nowhere')]"),
        'als_agents: AgentSpec: agent of "a" must be "module:Class"',
    ),
    "sensor-rgb": (
        offers("als_sensors", "[SensorSpec('rgb', 'a:B')]"),
        'sensor "rgb" of sensor-rgb needs a namespace, such as "sensor-rgb/rgb": names without one '
        "belong to als-engine",
    ),
    "a-sensor-chart": (
        offers("als_sensors", "[SensorSpec('chart', 'a:B')]"),
        'sensor "chart" of a-sensor-chart needs a namespace',
    ),
}

# These change the process and succeed.
RUDE = {
    "closes": "import os, sys\nsys.stdout.close()\nsys.__stdout__.close()\n"
    "os.close(1)\nos.close(0)",
    "replaces": "import sys\nsys.stdout = sys.stderr = None",
    "detaches": "import sys\nsys.stdout.detach()\nsys.stderr.close()",
    "prints": "import os\nprint('[1, 2] hello')\nos.write(1, b'from C\\n')",
    "keeps": "import sys\nkept = sys.stdout",
    "moves": "import os\nos.chdir('/')",
    "signals": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.alarm(100)\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])",
    "seeds": "import random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)\n"
    "numpy.seterr(all='raise')",
    "warns": "import warnings\nwarnings.simplefilter('error')\nwarnings.showwarning = None",
    "speaks": "import locale\nlocale.setlocale(locale.LC_ALL, 'C')",
    "argues": "import sys\nsys.argv[:] = ['rm']\nsys.setrecursionlimit(100000)\n"
    "sys.excepthook = None",
}

PROBE = """
import json, locale, os, random, signal, sys, warnings
import numpy
locale.setlocale(locale.LC_ALL, "C.UTF-8")
def state():
    return repr((
        os.getcwd(), signal.getsignal(signal.SIGINT), signal.getitimer(signal.ITIMER_REAL),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()), warnings.filters[:], warnings.showwarning,
        locale.setlocale(locale.LC_ALL), random.getstate(), numpy.random.get_state(),
        numpy.geterr(), sys.argv, sys.getrecursionlimit(), sys.excepthook, sys.stdin is None,
        os.fstat(0).st_ino, os.fstat(1).st_ino, os.fstat(2).st_ino,
    ))
from importlib.metadata import entry_points
import gymnasium, als_engine.plugins.hookspecs
"""


def _report(site: Site) -> dict[str, Any]:
    """What one process says that loads everything."""
    code = (
        # Gymnasium and what it needs change a few of these when they are imported: before that.
        "import gymnasium, pluggy\n"
        + PROBE.replace("import gymnasium, als_engine.plugins.hookspecs\n", "")
        + "before = state()\n"
        "from als_engine.plugins.registry import registry\n"
        "after = state()\n"
        "failed = {p.distribution: p.error for p in registry.failures()}\n"
        "seen = [id for id in gymnasium.registry if '/' in id]\n"
        "import keeps; keeps.kept.write(''); keeps.kept.flush()\n"
        "print(json.dumps({'failed': failed, 'before': before, 'after': after, 'seen': seen}))\n"
    )
    result = site.run(code)
    assert result.returncode == 0, result.stderr
    return {**json.loads(result.stdout), "err": result.stderr}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with everybody in it, and an honest package that comes last."""
    site = Site(tmp_path_factory.mktemp("crowd"))
    for name, (source, _) in FAILING.items():
        _install(site, name, source)
    for name, source in RUDE.items():
        _install(site, name, offers("als_agents", "[]") + source)
    _install(
        site,
        "zz-honest",
        offers("als_scenarios", "[ScenarioSpec('Honest/Work-v0', 'some:Task', 1)]"),
    )
    return site


@pytest.fixture(scope="module")
def report(crowd: Site) -> dict[str, Any]:
    return _report(crowd)


def _install(site: Site, name: str, source: str, metadata: str = "") -> None:
    module = name.replace("-", "_")
    site.install(name, {f"{module}.py": source}, module, metadata)


@pytest.mark.parametrize("name", FAILING)
def test_everything_that_a_plugin_raises_is_kept_with_its_reason(
    report: dict[str, Any], name: str
) -> None:
    assert FAILING[name][1] in report["failed"][name]
    assert "\n" not in report["failed"][name]


def test_only_those_that_failed_are_left_out(report: dict[str, Any]) -> None:
    assert set(report["failed"]) == set(FAILING)
    assert {*BUNDLED, "Honest/Work-v0"} <= set(report["seen"])


def test_what_a_plugin_changes_of_the_process_is_put_back(report: dict[str, Any]) -> None:
    assert report["after"] == report["before"]


def test_what_a_plugin_prints_goes_to_stderr_with_its_name(
    crowd: Site, report: dict[str, Any]
) -> None:
    assert "prints: [1, 2] hello\nprints: from C\n" in report["err"]
    listed = crowd.als("list", "--json")
    assert {spec["id"] for spec in json.loads(listed.stdout)} >= {*BUNDLED, "Honest/Work-v0"}


COMMANDS = {
    "c-exits": (acts("als_commands", "app", "raise SystemExit(3)"), "SystemExit: 3"),
    "c-interrupts": (acts("als_commands", "app", "raise KeyboardInterrupt"), "KeyboardInterrupt"),
    "c-train": (
        acts("als_commands", "app", "app.command('train')(lambda: print('mine'))"),
        'command "train" of c-train exists already, from als-engine',
    ),
    "c-group": (
        acts("als_commands", "app", "import typer; app.add_typer(typer.Typer(), name='bench')"),
        'command "bench" of c-group exists already, from als-engine',
    ),
    "c-collect": (
        acts("als_commands", "app", "app.command('collect')(lambda: print('mine'))"),
        'command "collect" of c-collect exists already, from als-engine',
    ),
    "c-options": (
        acts("als_commands", "app", "app.callback()(lambda: None)"),
        "als_commands adds commands, and no options of `als` itself",
    ),
    "c-types": (
        acts("als_commands", "app", "app.command('odd')(lambda x=object: None)"),
        None,
    ),
    "c-later": (acts("als_commands", "app", "app.command('kettle')(lambda: print('again'))"), ""),
}


def test_no_command_replaces_another_and_no_failing_hook_ends_als(site: Site) -> None:
    for name, (source, _) in COMMANDS.items():
        _install(site, name, source)
    kettle = acts("als_commands", "app", "app.command('kettle')(lambda: print('whistles'))")
    _install(site, "b-kettle", kettle)
    result = site.als("kettle")
    assert (result.returncode, result.stdout) == (0, "whistles\n"), result.stderr
    for name, (_, reason) in COMMANDS.items():
        if reason:
            assert f"plugin {name} failed in als_commands" in result.stderr
            assert reason in result.stderr
    assert 'command "kettle" of c-later exists already, from b-kettle' in result.stderr
    helped = site.als("train", "--help")
    assert "--resume" in helped.stdout
    assert "mine" not in helped.stdout


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


TELLING = """
import os, sys
@hookimpl
def als_episode_end(record):
    print("an episode")
    os.write(1, b"from C\\n")
    raise {error}
"""


def test_a_listener_that_fails_ends_no_episode(site: Site) -> None:
    errors = ("SystemExit(3)", "KeyboardInterrupt", "GeneratorExit")
    for name, error in zip("abc", errors, strict=True):
        _install(site, f"acme-{name}", HOOKS + TELLING.format(error=error))
    code = (
        "import als_engine, gymnasium\n"
        "env = gymnasium.make('ALS/Tag-v0', sensors=['touch'], max_episode_steps=2)\n"
        "env = als_engine.FollowTimeLimit(env)\n"
        "for _ in range(2):\n"
        "    env.reset(seed=0)\n"
        "    while not any(env.step(0)[2:4]):\n"
        "        pass\n"
        "print('done')\n"
    )
    result = site.run(code)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr
    for name in "abc":
        line = f"plugin acme-{name} failed in als_episode_end and is called no more"
        assert result.stderr.count(line) == 1
        assert f"acme-{name}: an episode\nacme-{name}: from C\n" in result.stderr


def test_a_class_that_cannot_be_imported_is_one_line_with_its_package(site: Site) -> None:
    bad = {
        "exits": "import sys; sys.exit(3)",
        "ctrl": "raise KeyboardInterrupt",
        "none": "print(1)",
    }
    specs = [f"AgentSpec('acme/{name}', 'acme_{name}:Walker')" for name in bad]
    files = {f"acme_{name}.py": source for name, source in bad.items()}
    files["acme.py"] = offers("als_agents", f"[{', '.join(specs)}]")
    site.install("acme", files, "acme")
    code = (
        "from als_engine.plugins.registry import registry\n"
        "from als_engine.errors import PluginError\n"
        f"for name in {list(bad)}:\n"
        "    try:\n"
        "        registry.load(registry.agent(f'acme/{name}'))\n"
        "    except PluginError as error:\n"
        "        print(error)\n"
    )
    lines = site.run(code).stdout.splitlines()
    for line, name, reason in zip(
        lines, bad, ("SystemExit: 3", "KeyboardInterrupt", "AttributeError"), strict=True
    ):
        assert line.startswith(f'cannot load "acme_{name}:Walker" of acme: {reason}')


def test_entry_points_that_cannot_be_read_hurt_nobody(site: Site) -> None:
    _install(site, "acme", offers("als_agents", "[]"))
    (site.folder / "acme-1.0.dist-info" / "entry_points.txt").write_bytes(b"[als_engine]\n\xff\xfe")
    assert site.ids() == BUNDLED


# Hangs and aborts: what cannot be caught


def test_a_real_interrupt_ends_us_and_a_slow_import_is_named_meanwhile(site: Site) -> None:
    _install(
        site,
        "acme-slow",
        "import pathlib, time\n"
        f"pathlib.Path({str(site.folder / 'began')!r}).touch()\n"
        "try:\n    time.sleep(100)\nexcept BaseException:\n    pass\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", "import als_engine; print('went on')"],
        env=site.environment(ALS_NO_NOTICES=""),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    named = "plugin acme-slow is still being imported after 1 s"
    assert any(named in line for line in process.stderr)
    _until((site.folder / "began").exists)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert out == ""
    # Whoever interrupts a hang is not made to wait for it again.
    limited = {"ALS_PLUGIN_TIMEOUT": "0.5"}
    second = site.run("import als_engine; print('goes on')", **limited)
    assert second.stdout == "goes on\n"
    (line,) = [line for line in second.stderr.splitlines() if "left out" in line]
    assert "acme-slow was not loaded after 0.5 s in a process of its own" in line
    assert "`als plugins --retry`" in line
    third = site.als("plugins")
    assert "was not loaded after 0.5 s" in " ".join(third.stdout.split())
    assert "left out" in third.stderr


@pytest.mark.timeout(300)  # It starts seven processes, one after the other.
@pytest.mark.parametrize(
    ("end", "how"), [("os._exit(0)", "exit code 0"), ("os.abort()", "SIGABRT")]
)
def test_a_package_that_ends_the_process_is_named_and_left_out(
    site: Site, end: str, how: str
) -> None:
    _install(site, "acme", f"import os\n{end}\n")
    _install(
        site, "zeta", offers("als_scenarios", "[ScenarioSpec('Zeta/Other-v0', 'some:Task', 1)]")
    )
    first = site.run("import als_engine; print('never')")
    assert first.stdout == ""
    second = site.run("import als_engine, gymnasium; print('Zeta/Other-v0' in gymnasium.registry)")
    assert second.stdout == "True\n"
    (line,) = [line for line in second.stderr.splitlines() if "left out" in line]
    assert f"plugin acme ended its process while it was loaded ({how})" in line
    again = site.als("plugins", "--retry")
    assert again.returncode == 1
    assert "acme ended its process" in again.stdout
    # What has changed is given another chance by itself.
    (site.folder / "acme.py").write_text(offers("als_agents", "[]") + "# mended\n")
    mended = site.als("plugins", "--strict")
    assert mended.returncode == 0, mended.stderr
    assert "left out" not in mended.stderr


def test_commands_that_end_the_process_are_left_out(site: Site) -> None:
    _install(site, "acme", acts("als_commands", "app", "import os; os._exit(5)"))
    assert site.als("list").returncode == 5
    second = site.als("list", "--json")
    assert second.returncode == 0
    assert json.loads(second.stdout)
    assert "acme ended its process while it was loaded (exit code 5)" in second.stderr


def test_a_package_that_was_only_killed_goes_on(site: Site) -> None:
    slow = f"import time, os\nif os.path.exists({str(site.folder / 'slow')!r}): time.sleep(100)\n"
    _install(site, "acme", slow + offers("als_agents", "[AgentSpec('acme/walker', 'a:B')]"))
    (site.folder / "slow").touch()
    process = subprocess.Popen([sys.executable, "-c", "import als_engine"], env=site.environment())
    _until(lambda: bool(list(site.folder.rglob("*.trying"))))
    process.kill()
    process.wait()
    (site.folder / "slow").unlink()
    code = (
        "from als_engine.plugins.registry import registry; print(registry.agent('acme/walker').id)"
    )
    result = site.run(code)
    assert (result.stdout, "left out" in result.stderr) == ("acme/walker\n", False)
    assert not list(site.folder.rglob("*.trying"))
    known = {path.name: path.read_text() for path in site.folder.rglob("*.known")}
    assert len(known) == 1
    assert site.run(code).stdout == "acme/walker\n"


def test_starts_at_the_same_time_do_not_mistake_one_another_for_dead(site: Site) -> None:
    _install(site, "acme", "import time\ntime.sleep(2)\n" + offers("als_agents", "[]"))
    command = [sys.executable, "-c", "import als_engine"]
    together = [
        subprocess.Popen(command, env=site.environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=100)[1] for process in together]
    assert not any("looking at it" in error or "left out" in error for error in errors)
    assert [process.returncode for process in together] == [0, 0, 0]


def test_a_cache_folder_that_cannot_be_written_is_done_without(site: Site) -> None:
    _install(site, "acme", offers("als_agents", "[AgentSpec('acme/walker', 'a:B')]"))
    code = (
        "from als_engine.plugins.registry import registry; print(registry.agent('acme/walker').id)"
    )
    assert site.run(code, XDG_CACHE_HOME=os.devnull).stdout == "acme/walker\n"


def _until(holds: Any) -> None:
    end = time.monotonic() + 100
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


# Namespaces


def declares(owner: str, namespace: str = "Acme") -> str:
    return f"[als_engine.namespaces]\n{namespace} = {owner}"


def _scenario(id: str) -> str:
    return offers("als_scenarios", f"[ScenarioSpec({id!r}, 'some:Task', 1)]")


def test_a_namespace_belongs_to_who_declares_it_whatever_the_alphabet_says(site: Site) -> None:
    _install(site, "aaa", _scenario("Acme/Kettle-v0"))
    _install(site, "aab", _scenario("acme/Other-v0"))
    _install(site, "kitchen", _scenario("Acme/Kettle-v0"), declares("kitchen"))
    _install(site, "sister", _scenario("Acme/Sister-v0"), declares("kitchen"))
    ids, failed = site.look()
    assert ids == BUNDLED | {"Acme/Kettle-v0", "Acme/Sister-v0"}
    assert 'scenario "Acme/Kettle-v0" of aaa: the namespace "Acme/" belongs to' in failed["aaa"]
    assert "kitchen, sister" in failed["aab"]


def test_two_that_declare_the_same_namespace_are_both_named(site: Site) -> None:
    _install(site, "aaa", _scenario("Acme/One-v0"), declares("aaa"))
    _install(site, "kitchen", _scenario("Acme/Two-v0"), declares("kitchen"))
    failed = site.failures()
    assert sorted(failed) == ["aaa", "kitchen"]
    for reason in failed.values():
        assert "aaa" in reason
        assert "kitchen" in reason
        assert "ALS_PLUGINS" in reason
    assert "Acme/Two-v0" in site.ids(ALS_PLUGINS="kitchen")


def test_a_namespace_that_nobody_declares_is_taken_from_nobody(site: Site) -> None:
    _install(site, "aaa", _scenario("Acme/One-v0"))
    _install(site, "kitchen", _scenario("Acme/Two-v0"))
    assert site.ids() == BUNDLED | {"Acme/One-v0", "Acme/Two-v0"}


def test_nobody_declares_our_namespace(site: Site) -> None:
    _install(site, "aaa", _scenario("ALS/Mine-v0"), declares("aaa", "ALS"))
    ids, failed = site.look()
    assert ids == BUNDLED
    assert "belongs to als-engine" in failed["aaa"]
