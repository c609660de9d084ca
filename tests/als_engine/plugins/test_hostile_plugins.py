"""What a plugin does in a running program hurts nobody, and a namespace is its owner's.

The packages are installed, and met by real processes. What they do where they are loaded is in
`test_bad_packages`, and what ends or hangs a process in `test_trials`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_packages import SPECS, offers
from bad_packages import scenario as _scenario
from installed import BUNDLED, Site


def _install(site: Site, name: str, source: str, metadata: str = "") -> None:
    module = name.replace("-", "_")
    site.install(name, {f"{module}.py": source}, module, metadata)


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
        _install(site, f"acme-{name}", SPECS + TELLING.format(error=error))
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


# Namespaces


def declares(owner: str, namespace: str = "Acme") -> str:
    return f"[als_engine.namespaces]\n{namespace} = {owner}"


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
