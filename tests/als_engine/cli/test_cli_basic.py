"""The `als` command answers quickly, and a user's mistake is one line and a code that is not 0."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import als_engine
from als_engine import errors
from als_engine.cli import app as cli
from als_engine.cli import main
from als_engine.plugins.registry import Plugin, registry


class Result:
    """What a run of the command left: its exit code and what it wrote."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Als = Callable[..., Result]


@pytest.fixture
def als(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Als:
    """Runs `als` with the given words, in this process."""

    def run(*words: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["als", *words])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Result(end.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Adds a command `fail` that raises the given error."""

    def add(error: BaseException) -> None:
        def fail() -> None:
            raise error

        monkeypatch.setitem(cli._COMMANDS, "fail", fail)

    return add


def test_list_shows_every_scenario_with_its_family(als: Als) -> None:
    result = als("list")
    assert result.code == 0
    for spec in registry.scenarios():
        assert spec.id in result.out
        assert spec.family in result.out


def test_plugins_shows_what_each_one_gives(als: Als) -> None:
    result = als("plugins", "--strict")
    assert result.code == 0
    for plugin in registry.plugins():
        assert plugin.name in result.out
        for spec in plugin.specs:
            assert spec.id in result.out


def test_a_failed_plugin_is_shown_with_its_reason(
    als: Als, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Plugin("acme-kitchen", "1.0", "main", "acme", "failed", [], "ValueError: no kettle")
    monkeypatch.setattr(registry, "_plugins", [*registry.plugins(), failed])
    assert als("list").err == "1 plugin failed to load: see `als plugins`.\n"
    lenient, strict = als("plugins"), als("plugins", "--strict")
    assert (lenient.code, strict.code) == (0, 1)
    assert lenient.err == "acme-kitchen main: ValueError: no kettle\n"
    assert "acme-kitchen 1.0" in lenient.out


def test_help_names_every_command(als: Als) -> None:
    for result in (als(), als("--help"), als("-h")):
        assert result.code == 0
        for name in cli._COMMANDS:
            assert name in result.out


def test_version(als: Als) -> None:
    assert als("--version").out.strip() == als_engine.__version__


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["lst"], "Error: No such command 'lst'. Did you mean 'list'? Try `als --help`."),
        (["list", "--jsn"], "--jsn"),
        (["plugins", "extra"], "Error: Got unexpected extra argument(s) (extra). Try `als plu"),
        (["--loud"], "--loud"),
    ],
)
def test_a_wrong_word_is_one_line(als: Als, words: list[str], line: str) -> None:
    result = als(*words)
    assert (result.code, result.out) == (2, "")
    assert line in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (errors.ArgumentError("split must be\ntrain or test"), "split must be train or test"),
        (errors.PhysicsError("world 3 exploded", world=3), "world 3 exploded"),
        (PermissionError(13, "Permission denied", "/readonly/x"), "Permission denied: /readonly/x"),
        (typer.BadParameter("no such agent"), "no such agent. Try `als fail --help`."),
    ],
)
def test_a_users_error_is_one_line_without_a_traceback(
    als: Als, fails: Callable[[BaseException], None], error: Exception, line: str
) -> None:
    fails(error)
    result = als("fail")
    assert result.code == 2
    assert result.err.startswith("Error: ")
    assert line.split(" Try")[0].rstrip(".") in result.err
    assert result.err.count("\n") == 1


def test_debug_and_our_own_bugs_keep_the_traceback(
    fails: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["als", "fail"])
    fails(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main()
    fails(errors.LayoutError("the room is full"))
    monkeypatch.setenv("ALS_DEBUG", "1")
    with pytest.raises(errors.LayoutError):
        main()


def test_ctrl_c_is_one_line_and_130(als: Als, fails: Callable[[BaseException], None]) -> None:
    fails(KeyboardInterrupt())
    result = als("fail")
    assert (result.code, result.err) == (130, "Interrupted.\n")


def test_the_installed_command_raises_strict_failures_as_one_line(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text("1 / 0")
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[als_engine]\nmain = acme\n")
    result = subprocess.run(
        [str(Path(sys.executable).with_name("als")), "list"],
        env={"PYTHONPATH": str(tmp_path), "ALS_STRICT_PLUGINS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr == "Error: plugin acme: ZeroDivisionError: division by zero\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['als', '--help']\n"
        "from als_engine.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'numba', 'pybullet', 'pettingzoo', 'sklearn', 'imageio')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.strip() == "[]"
