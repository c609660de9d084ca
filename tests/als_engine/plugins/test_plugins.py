"""Plugins come in by one door, fail alone, and never pass for one another.

The plugins here are really installed: a module and a `*.dist-info` folder on the path of a fresh
process, which is what `importlib.metadata` finds.
"""

from __future__ import annotations

import copy
import json
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from installed import BUNDLED, Found, Site
from places import ROOT

from als_engine.errors import PluginError, UnknownIdError
from als_engine.plugins import hookspecs
from als_engine.plugins.findings import Finding, Purged
from als_engine.plugins.hookspecs import hookimpl
from als_engine.plugins.names import Names, Offered
from als_engine.plugins.registry import Registry, registry
from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    EpisodeRecord,
    ScenarioSpec,
    SensorSpec,
    ShapeSpec,
    SuiteEntry,
    SuiteSpec,
)

DOCS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
KITCHEN = re.search(r"```python\n(.*?)```", DOCS, re.DOTALL)[1]  # type: ignore[index]
HOOKS = sorted(name for name in dir(hookspecs) if name.startswith("als_"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def kitchen(site: Site) -> Site:
    site.install("acme-kitchen", {"acme_kitchen.py": KITCHEN}, "acme_kitchen")
    return site


@pytest.fixture
def fresh() -> Registry:
    """A registry of its own, with the installed plugins and nobody listening."""
    registry = Registry()
    registry.start()
    return registry


def scenario(id: str) -> str:
    """The source of a module that offers one scenario."""
    return (
        "from als_engine import ScenarioSpec, hookimpl\n"
        "@hookimpl\n"
        "def als_scenarios():\n"
        f"    return [ScenarioSpec(id={id!r}, task='some:Task', max_episode_steps=1)]\n"
    )


KETTLE = "Acme/FetchKettle-v0"


# The import order


ORDERS = [
    "import als_engine",
    "import acme_kitchen",
    "import acme_kitchen, als_engine",
    "import als_engine, acme_kitchen",
    "import gymnasium; gymnasium.make('als_engine:Acme/FetchKettle-v0', sensors=['touch'])",
    "import acme_kitchen; import gymnasium; gymnasium.spec('Acme/FetchKettle-v0')",
]
FORKS = """
import json, os, sys
import gymnasium, numpy, pydantic
for code in json.loads(sys.stdin.read()):
    if (pid := os.fork()) == 0:
        exec(code)
        import als_engine
        print(json.dumps([id for id in gymnasium.registry if "/" in id]), flush=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_a_plugin_is_found_whoever_is_imported_first(kitchen: Site) -> None:
    """In a fork for each order, of a process that has imported what all of them need."""
    done = kitchen.process([sys.executable, "-c", FORKS], given=json.dumps(ORDERS))
    assert done.returncode == 0, done.stderr
    found = [set(json.loads(line)) for line in done.stdout.splitlines()]
    for code, ids in zip(ORDERS, found, strict=True):
        ours = {name for name in ids if name.startswith(("ALS/", "Acme/"))}
        assert ours == BUNDLED | {KETTLE}, code


def test_the_plugin_of_the_documentation_runs(kitchen: Site) -> None:
    code = (
        "import acme_kitchen, gymnasium as gym\n"
        "env = gym.make('Acme/FetchKettle-v0', sensors=['proprioception'])\n"
        "observation, info = env.reset(seed=0)\n"
        "env.step(env.action_space.sample())\n"
        "env.close()\n"
        "print(sorted(observation), info['success'])"
    )
    result = kitchen.run(code)
    assert result.stdout.strip() == "['proprioception'] False", result.stderr


def test_a_hook_may_use_what_its_module_defines_after_it(site: Site) -> None:
    source = scenario(KETTLE).replace(f"{KETTLE!r}", "NAME") + f"NAME = {KETTLE!r}\n"
    site.install("acme", {"acme.py": source}, "acme")
    assert KETTLE in site.ids("import acme")


def test_a_package_that_imports_als_engine_first_may_have_its_hooks_in_a_submodule(
    site: Site,
) -> None:
    hooks = "from acme import NAME\n" + scenario(KETTLE).replace(f"{KETTLE!r}", "NAME")
    package = f"import als_engine\nNAME = {KETTLE!r}\n"
    site.install("acme", {"acme/__init__.py": package, "acme/hooks.py": hooks}, "acme.hooks")
    ids, failed = site.look("import acme")
    assert KETTLE in ids
    assert failed == {}


def test_a_hook_may_take_something_from_a_module_that_is_imported_first(site: Site) -> None:
    hooks = (
        "from als_engine import ScenarioSpec, hookimpl\n"
        "@hookimpl\n"
        "def als_scenarios():\n"
        "    from acme.specs import ours\n"
        "    return ours()\n"
    )
    specs = (
        "from als_engine import ScenarioSpec\n"
        f"def ours(): return [ScenarioSpec({KETTLE!r}, task='some:Task', max_episode_steps=1)]\n"
    )
    files = {"acme/hooks.py": hooks, "acme/specs.py": specs, "acme/other.py": "import als_engine\n"}
    site.install("acme", {"acme/__init__.py": "", **files}, "acme.hooks")
    for code in ("from acme.specs import ours; ours()", "import acme.other, acme.specs"):
        ids, failed = site.look(code)
        assert KETTLE in ids
        assert failed == {}


def test_whoever_imports_a_plugin_first_gets_the_module_whose_hooks_are_asked(site: Site) -> None:
    source = scenario(KETTLE) + "class Kettle: pass\n"
    site.install("acme", {"acme/__init__.py": source, "acme/pot.py": "import acme\n"}, "acme")
    code = (
        "import acme, acme.pot, sys\n"
        "from als_engine.plugins.registry import registry\n"
        "print(registry.has(acme), sys.modules['acme'] is acme.pot.acme is acme)"
    )
    assert site.run(code).stdout == "True True\n"


def test_a_module_that_can_be_run_only_once_is_a_failed_plugin_and_still_a_module(
    site: Site,
) -> None:
    once = (
        "import builtins\n"
        "if hasattr(builtins, 'ran'): raise ValueError('once is enough')\n"
        "builtins.ran = True\n"
    )
    site.install("acme", {"acme.py": once + scenario(KETTLE)}, "acme")
    ids, failed = site.look("import acme; assert acme.als_scenarios")
    assert ids == BUNDLED
    assert failed == {"acme": "ValueError: once is enough"}


def test_hooks_may_be_methods_of_an_object(site: Site) -> None:
    source = (
        "from als_engine import ScenarioSpec, hookimpl\n"
        "class Hooks:\n"
        "    @hookimpl\n"
        "    def als_scenarios(self):\n"
        f"        return [ScenarioSpec({KETTLE!r}, 'some:Task', 1)]\n"
        "hooks = Hooks()\n"
    )
    site.install("acme", {"acme.py": source}, "acme:hooks")
    assert KETTLE in site.ids("import acme")
    assert KETTLE in site.ids("import als_engine")


def test_a_module_that_fails_after_importing_us_leaves_us_whole(site: Site) -> None:
    site.install("acme", {"acme.py": "import als_engine\nraise ValueError('no kettle')\n"}, "acme")
    code = "try:\n    import acme\nexcept ValueError as error:\n    print(error)"
    assert site.run(code).stdout.strip() == "no kettle"
    ids, failed = site.look(code.replace("print(error)", "pass"))
    assert ids == BUNDLED
    assert failed == {"acme": "ValueError: no kettle"}


# Failures


# What the module `acme` holds, what its entry point names, and the reason that is kept.
BROKEN = [
    ("raise ValueError('no\\nkettle')", "acme", "ValueError: no kettle"),
    ("import sys; sys.exit(3)", "acme", "SystemExit: 3"),
    ("import not_installed", "acme", "ModuleNotFoundError: No module named 'not_installed'"),
    ("def (", "acme", "SyntaxError: invalid syntax"),
    ("", "acme", "it has no hooks; is each of them marked with @hookimpl?"),
    ("", "acme:hooks", "AttributeError: module 'acme' has no attribute 'hooks'"),
    ("", "elsewhere", "ModuleNotFoundError: No module named 'elsewhere'"),
    (
        scenario(KETTLE).replace("als_scenarios", "als_scenario"),
        "acme",
        'unknown hook "als_scenario"; did you mean "als_scenarios"?',
    ),
    (scenario(KETTLE).replace("()", "(room)", 1), "acme", "Argument(s) {'room'} are declared"),
    (scenario(KETTLE).replace("als_scenarios", "als_agents"), "acme", "must return AgentSpecs"),
    (scenario(KETTLE).replace("'some:Task'", "'some'"), "acme", 'must be "module:Class"'),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What one process says that meets all of them, and an honest package."""
    site = Site(tmp_path_factory.mktemp("broken"))
    site.install("acme-kitchen", {"acme_kitchen.py": scenario(KETTLE)}, "acme_kitchen")
    for number, (source, entry, _) in enumerate(BROKEN):
        name = f"acme_{number}"
        site.install(name.replace("_", "-"), {f"{name}.py": source}, entry.replace("acme", name))
    return site.look()


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=[reason for *_, reason in BROKEN])
def test_a_broken_plugin_is_kept_with_its_reason(broken: Found, number: int) -> None:
    reason = broken.failures[f"acme-{number}"]
    assert BROKEN[number][2] in reason.replace(f"acme_{number}", "acme")
    assert "\n" not in reason


def test_a_broken_plugin_hurts_nobody(broken: Found) -> None:
    assert len(broken.failures) == len(BROKEN)
    assert broken.ids == BUNDLED | {KETTLE}


def test_an_unknown_id_points_to_plugins_that_failed(site: Site) -> None:
    site.install("acme", {"acme.py": "1 / 0"}, "acme")
    code = (
        "from als_engine.plugins.registry import registry; registry.scenario('Acme/FetchKettle-v0')"
    )
    last = site.run(code).stderr.strip().splitlines()[-1]
    assert 'unknown scenario "Acme/FetchKettle-v0"' in last
    assert "(1 plugin failed to load: see `als plugins`)" in last


# Who may offer what


def test_an_id_that_exists_twice_names_both_distributions(site: Site) -> None:
    site.install("acme-one", {"one.py": scenario(KETTLE)}, "one")
    site.install("acme-two", {"two.py": scenario(KETTLE)}, "two")
    ids, failed = site.look()
    assert ids == BUNDLED | {KETTLE}
    (message,) = failed.values()
    assert message == f'scenario "{KETTLE}" of acme-two exists already, from acme-one'


@pytest.mark.parametrize("id", ["ALS/Mine-v0", "als/Mine-v0", "Als/Mine-v0"])
def test_nobody_else_offers_anything_under_our_name(site: Site, id: str) -> None:
    site.install("acme", {"acme.py": scenario(id)}, "acme")
    ids, failed = site.look()
    assert ids == BUNDLED
    assert "belongs to als-engine" in failed["acme"]


def test_a_declared_namespace_belongs_to_its_distribution(fresh: Registry) -> None:
    one, two, three = (
        _offering(als_scenarios=[_scenario(f"Acme/{name}-v0")]) for name in ("One", "Two", "Three")
    )
    fresh.add(one, "acme", namespaces=["Acme"])
    fresh.add(two, "Acme", name="second")
    with pytest.raises(PluginError, match='"Acme/Three-v0" of zeta: the namespace "Acme/" belongs'):
        fresh.add(three, "zeta")


def test_a_namespace_is_free_when_its_plugin_is_removed_or_was_never_taken(
    fresh: Registry,
) -> None:
    one, two = (_offering(als_scenarios=[_scenario(f"Acme/{name}-v0")]) for name in ("One", "Two"))
    with pytest.raises(PluginError, match="exists already"):
        fresh.add(_offering(als_agents=[AgentSpec("ppo", "a:B")]), "acme", namespaces=["Acme"])
    plugin = fresh.add(one, "zeta", namespaces=["Acme"])
    again = fresh.add(_offering(als_agents=[]), "zeta", name="again", namespaces=["acme"])
    fresh.remove(again)
    with pytest.raises(PluginError, match="belongs to zeta"):
        fresh.add(two, "other")
    fresh.remove(plugin)
    fresh.add(two, "other")
    assert [loaded.plugin.distribution for loaded in fresh.loaded()][-1] == "other"


def test_a_name_is_kept_for_who_had_it_until_it_goes(tmp_path: Path) -> None:
    everybody = {"aaa", "kitchen", "lab"}

    def start(present: set[str], walker: str) -> Names:
        names = Names(tmp_path)
        names.recall(present)
        for distribution in present & {"kitchen", "lab"}:
            names.declare(distribution, "Acme", "kitchen")
        if "aaa" in present:
            names.declare("aaa", "Acme", "aaa")
        names.remember({"agent"}, [Offered("agent", "walker", walker)], present)
        return names

    start({"kitchen", "lab"}, "lab")
    later = start(everybody, "lab")
    assert later.held("agent", "Walker", "aaa") == "lab"
    assert later.held("agent", "walker", "lab") == later.why_not("lab", "acme") == ""
    reason = later.why_not("aaa", "Acme")
    assert reason == 'the namespace "Acme/" belongs to kitchen, lab, who had it first'
    assert start({"aaa"}, "aaa").held("agent", "walker", "aaa") == ""
    assert start(everybody, "aaa").held("agent", "walker", "lab") == "aaa"
    (kept,) = tmp_path.iterdir()
    kept.write_text("[1, 2")  # Whatever is there instead is no reason to fail.
    assert start(everybody, "lab").held("agent", "walker", "aaa") == "lab"


def test_what_one_plugin_offers_no_other_changes(fresh: Registry) -> None:
    spec = ScenarioSpec("Acme/One-v0", "some:Task", 1, kwargs={"size": 3, "more": {"a": [1]}})
    fresh.add(_offering(als_scenarios=[spec]), "acme")
    kwargs = fresh.scenario("Acme/One-v0").kwargs
    for change in ("clear", "popitem"):
        with pytest.raises(TypeError, match="cannot be changed"):
            getattr(kwargs, change)()
    with pytest.raises(TypeError, match="cannot be changed"):
        kwargs["more"]["a"] = 2
    own = spec.as_dict()["kwargs"]
    own["more"]["a"].append(2)
    own.update(size=4)
    copies = [pickle.loads(pickle.dumps(spec)), copy.deepcopy(spec), ScenarioSpec(**spec.as_dict())]
    for each in [spec, *copies]:
        assert each.kwargs == {"size": 3, "more": {"a": [1]}}
        assert each == spec


def test_a_refused_plugin_leaves_nothing_behind(fresh: Registry) -> None:
    before = (fresh.scenarios(), fresh.agents(), len(fresh.plugins()))
    told: list[EpisodeRecord] = []
    hooks = _offering(
        als_scenarios=[_scenario("Acme/Good-v0")],
        als_agents=[AgentSpec("ppo", "acme:PPO")],
        als_episode_end=told.append,
    )
    with pytest.raises(PluginError, match='agent "ppo" of acme exists already, from als-engine'):
        fresh.add(hooks, "acme")
    assert (fresh.scenarios(), fresh.agents(), len(fresh.plugins())) == before
    fresh.episode_end(_record())
    assert told == []
    fresh.add(_offering(als_scenarios=[_scenario("Acme/Good-v0")]), "zeta")


def test_an_id_that_gymnasium_has_already_is_not_overwritten(site: Site) -> None:
    site.install("acme", {"acme.py": scenario(KETTLE)}, "acme")
    code = (
        f"import gymnasium; gymnasium.register({KETTLE!r}, entry_point='other:Env'); "
        f"import als_engine; print(gymnasium.spec({KETTLE!r}).entry_point); "
        "from als_engine.plugins.registry import registry; print(registry.failures()[0].error)"
    )
    assert site.run(code).stdout.splitlines() == [
        "other:Env",
        f'"{KETTLE}" is registered with Gymnasium already, as other:Env',
    ]


# The switches


@pytest.fixture
def shop(site: Site) -> Site:
    """An honest package whose import brings in nothing else."""
    site.install("acme-kitchen", {"acme_kitchen.py": scenario(KETTLE)}, "acme_kitchen")
    return site


def test_the_off_switch_leaves_the_bundled_plugins_on(shop: Site) -> None:
    shop.install("zeta", {"zeta.py": "raise SystemExit('was imported')"}, "zeta")
    assert shop.look(ALS_DISABLE_PLUGINS="1") == (BUNDLED, {})
    assert KETTLE in shop.ids(ALS_DISABLE_PLUGINS="0")


def test_one_can_be_left_out_by_its_name(shop: Site) -> None:
    shop.install("zeta", {"zeta.py": scenario("Zeta/Other-v0")}, "zeta")
    assert shop.ids(ALS_DISABLE_PLUGINS="Acme_Kitchen, other") == BUNDLED | {"Zeta/Other-v0"}


def test_the_allow_list_names_distributions(shop: Site) -> None:
    shop.install("zeta", {"zeta.py": scenario("Zeta/Other-v0")}, "zeta")
    assert shop.ids(ALS_PLUGINS="") == BUNDLED | {KETTLE, "Zeta/Other-v0"}
    assert shop.ids(ALS_PLUGINS="Acme_Kitchen, other") == BUNDLED | {KETTLE}
    assert list(shop.failures(ALS_PLUGINS="zeta,other")) == ["other"]


def test_strict_raises_the_first_failure(shop: Site) -> None:
    assert shop.ids(ALS_STRICT_PLUGINS="1") == BUNDLED | {KETTLE}
    shop.install("zeta", {"zeta.py": "1 / 0"}, "zeta")
    result = shop.run("import als_engine", ALS_STRICT_PLUGINS="1")
    assert result.returncode == 1
    assert result.stderr.strip().endswith("plugin zeta: ZeroDivisionError: division by zero")
    result = shop.run(
        "from als_engine.plugins.registry import registry; registry.start(strict=True)"
    )
    assert "plugin zeta: ZeroDivisionError" in result.stderr


# The hooks: one test each, by the hook's name


def test_als_scenarios(fresh: Registry) -> None:
    heard: list[str] = []
    fresh.subscribe(lambda specs: heard.extend(spec.id for spec in specs))
    assert set(heard) == BUNDLED
    spec = _scenario("Acme/One-v0")
    plugin = fresh.add(_offering(als_scenarios=[spec]), "acme")
    assert fresh.scenario("Acme/One-v0") is spec
    assert fresh.scenarios()[-1] is spec
    assert heard[-1] == "Acme/One-v0"
    assert (plugin.status, plugin.specs) == ("loaded", [spec])
    with pytest.raises(UnknownIdError, match='unknown scenario "ALS/Clasroom-v0"; did you mean'):
        fresh.scenario("ALS/Clasroom-v0")


def test_als_agents(fresh: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_walker.py").write_text("import not_installed")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = AgentSpec("acme/walker", "acme_walker:Walker", needs=("walk",))
    fresh.add(_offering(als_agents=[spec]), "acme-agents")
    assert fresh.agent("acme/walker") is spec
    with pytest.raises(PluginError, match=r'install it with: pip install "acme-agents\[walk\]"'):
        fresh.load(spec)
    with pytest.raises(UnknownIdError, match=r'unknown agent "pp0"; did you mean "ppo"\?'):
        fresh.agent("pp0")


def test_als_sensors(fresh: Registry) -> None:
    spec = SensorSpec("acme/lidar", "acme.sensors:Lidar")
    fresh.add(_offering(als_sensors=[spec]), "acme")
    assert fresh.sensors() == [spec]


def test_als_shapes(fresh: Registry) -> None:
    spec = ShapeSpec("acme/arch", "acme.shapes:Arch")
    bundled = fresh.shapes()
    fresh.add(_offering(als_shapes=[spec]), "acme")
    assert [each for each in fresh.shapes() if each not in bundled] == [spec]
    with pytest.raises(PluginError, match='shape "arch" of other needs a namespace'):
        fresh.add(_offering(als_shapes=[ShapeSpec("arch", "other:Arch")]), "other")


def test_als_encoders(fresh: Registry) -> None:
    spec = EncoderSpec("acme/cnn", "collections:OrderedDict")
    fresh.add(_offering(als_encoders=(spec for _ in range(1))), "acme")
    assert fresh.encoders()[-1] is spec
    assert fresh.load(fresh.encoder("acme/cnn")).__name__ == "OrderedDict"
    with pytest.raises(UnknownIdError, match=r'unknown encoder "vit"; allowed: .*acme/cnn'):
        fresh.encoder("vit")


def test_als_suites(fresh: Registry) -> None:
    spec = SuiteSpec("acme/all", entries=(SuiteEntry("ALS/Tag-v0"), SuiteEntry("ALS/Classroom-v0")))
    fresh.add(_offering(als_suites=[spec]), "acme")
    assert fresh.suites()[-1] is spec
    assert fresh.suite("acme/all") is spec


def test_als_commands(site: Site) -> None:
    source = (
        "from als_engine import hookimpl\n"
        "@hookimpl\n"
        "def als_commands(app):\n"
        "    @app.command()\n"
        "    def kettle():\n"
        "        print('whistles')\n"
    )
    site.install("acme", {"acme.py": source}, "acme")
    broken = "from als_engine import hookimpl\n@hookimpl\ndef als_commands(app): app.no_such()\n"
    site.install("zeta", {"zeta.py": broken}, "zeta")
    code = "import sys; from als_engine.cli import main; sys.argv[1:] = ['kettle']; main()"
    result = site.run(code)
    assert (result.returncode, result.stdout.strip()) == (0, "whistles")
    assert result.stderr.count("plugin zeta failed in als_commands and is called no more") == 1


def test_als_episode_end(fresh: Registry) -> None:
    assert not fresh.listens_to_episodes
    told: list[EpisodeRecord] = []

    def fail(record: EpisodeRecord) -> None:
        raise OSError("disk is full")

    fresh.add(_offering(als_episode_end=fail), "broken")
    fresh.add(_offering(als_episode_end=told.append), "acme")
    assert fresh.listens_to_episodes
    with pytest.warns(RuntimeWarning, match="plugin broken failed in als_episode_end.*disk is ful"):
        fresh.episode_end(_record())
    fresh.episode_end(_record())
    assert told == [_record(), _record()]
    assert [plugin.distribution for plugin in fresh.failures()] == ["broken"]


def test_als_watch(fresh: Registry) -> None:
    class Acme:
        @hookimpl
        def als_watch(self, simulation: Any, add: Callable[[Any], None]) -> None:
            add(("acme", simulation))

    fresh.add(Acme(), "acme")
    assert ("acme", "worlds") in fresh.watch("worlds")  # type: ignore[arg-type]


def test_als_purge(fresh: Registry, tmp_path: Path) -> None:
    class Acme:
        @hookimpl
        def als_purge(self, add: Callable[[Any], None]) -> None:
            add(lambda path, person: Purged(f"{person} has no kettle any more"))

    before = len(fresh.purgers())
    fresh.add(Acme(), "acme")
    *_, last = fresh.purgers()
    assert len(fresh.purgers()) == before + 1
    assert last(tmp_path, "Ann") == Purged("Ann has no kettle any more")


def test_als_doctor(fresh: Registry) -> None:
    coil = Finding("coil", "missing", "no heating coil", "screw one in")

    class Broken:
        @hookimpl
        def als_doctor(self) -> None:
            raise OSError("no pulse")

    class Acme:
        @hookimpl
        def als_doctor(self, report: Callable[[Finding], None]) -> None:
            report(coil)

    fresh.add(Broken(), "broken")
    fresh.add(Acme(), "acme")
    found: list[Finding] = []
    with pytest.warns(RuntimeWarning, match="plugin broken failed in als_doctor.*no pulse"):
        fresh.doctor(found.append)
    assert [finding.topic for finding in found] == ["sandbox", "coil"]
    assert found[1] == coil


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test_and_is_documented(hook: str) -> None:
    assert f"test_{hook}" in globals()
    assert f"`{hook}(" in DOCS
    assert getattr(hookspecs, hook).__doc__


# Gymnasium and PettingZoo


@pytest.mark.parametrize("id", sorted(BUNDLED))
def test_every_scenario_is_a_gymnasium_spec_that_goes_to_json_and_back(id: str) -> None:
    spec = gymnasium.spec(id)
    assert gymnasium.envs.registration.EnvSpec.from_json(spec.to_json()) == spec
    assert spec.kwargs == {"scenario": id}
    assert spec.vector_entry_point == "als_engine.envs.vector:VectorEnv"
    assert spec.max_episode_steps == registry.scenario(id).max_episode_steps


@pytest.mark.parametrize(
    "code",
    [
        "import pettingzoo, als_engine",
        "import als_engine; als_engine.parallel_env('ALS/Tag-v0').close(); import pettingzoo",
        "import als_engine, pettingzoo; als_engine.plugins.registration.register_with_pettingzoo()",
    ],
)
def test_pettingzoo_knows_the_scenarios(site: Site, code: str) -> None:
    code += "\nfor kind in ('parallel', 'aec'): print(pettingzoo.spec(kind, 'ALS/Tag-v0').id)"
    assert site.run(code).stdout.split() == ["ALS/Tag-v0"] * 2


def _scenario(id: str) -> ScenarioSpec:
    return ScenarioSpec(id=id, task="some:Task", max_episode_steps=1)


def _record() -> EpisodeRecord:
    return EpisodeRecord("ALS/Tag-v0", "test", 10_000, 7, (1.0, -1.0), True, {"success": 1.0})


def _offering(**hooks: Any) -> object:
    """A plugin object: a hook that gets a function is that function, else it returns the value."""

    def returning(value: Any) -> Callable[[], Any]:
        return lambda: value

    def listening(function: Callable[[EpisodeRecord], None]) -> Callable[[EpisodeRecord], None]:
        return lambda record: function(record)

    plugin = type("Hooks", (), {})()
    for name, value in hooks.items():
        function = listening(value) if callable(value) else returning(value)
        setattr(plugin, name, hookimpl(function))
    return plugin
