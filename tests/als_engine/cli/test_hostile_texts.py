"""Texts of plugins, names and paths are shown as they stand, on every terminal.

Nothing in them is markup, nothing in them acts on the terminal, and what its encoding lacks is
replaced: no command ends in a traceback for what somebody is called.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from made_results import make_store
from odd_worlds import ID, ODD, odd

from als_engine.cli import main
from als_engine.texts import visible

__all__ = ["odd"]

pytestmark = pytest.mark.usefixtures("odd")

ENCODINGS = ["utf-8", "latin-1", "ascii"]

COMMANDS = {
    "help": ["--help"],
    "help of a plugin's command": ["odd", "--help"],
    "list": ["list"],
    "show": ["show", ID, "--picture", "odd.png"],
    "plugins": ["plugins"],
    "bench list": ["bench", "list"],
    "evaluate": ["evaluate", "random", "--on", ID, "--episodes", "2", "--worlds", "2"],
    "play": ["play", ID, "--out", "[/home]✓.gif"],
    "check": ["check", ID, "--only", "levels", "--levels", "2"],
    "collect": ["collect", ID, "--episodes", "2", "--out", "[/home]✓ data", "--worlds", "2"],
    "data show": ["data", "show", "[/home]✓ data"],
    "leaderboard": ["leaderboard", "--store", "made.sqlite"],
}
QUICK = ["help", "help of a plugin's command", "list", "plugins", "bench list", "leaderboard"]
MISTAKES = {
    "an unknown scenario": ["show", ODD.replace("\0", "")],
    "an unknown agent": ["evaluate", ODD.replace("\0", ""), "--on", ID],
    "an unknown suite": ["bench", "run", ODD.replace("\0", "")],
    "an unknown command": [ODD.replace("\0", "")],
    "an unknown option": ["list", f"--{ODD}"],
    "no such store": ["leaderboard", "--store", ODD.replace("\0", "")],
    "no such experiment": ["run", ODD.replace("\0", ""), "--out", "x"],
    "no such dataset": ["data", "show", ODD.replace("\0", "")],
}


def run(words: list[str], encoding: str, watched: bool = False) -> tuple[object, str, str]:
    """Runs `als` with streams of this encoding, strict as Python's are."""
    kind = _Terminal if watched else io.TextIOWrapper
    out, err = (kind(io.BytesIO(), encoding, "strict") for _ in range(2))
    with (
        mock.patch.object(sys, "argv", ["als", *words]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
        mock.patch.dict(os.environ, {"COLUMNS": "1000", "TERM": "xterm"}),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode(encoding))
    return code, *texts


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, in which the commands run one after the other."""
    folder = tmp_path_factory.mktemp("odd")
    make_store(folder / "made.sqlite")
    return folder


@pytest.mark.filterwarnings("ignore:the font of signs and captions has no:RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "encoding"),
    [(name, "ascii") for name in COMMANDS]
    + [(name, encoding) for name in QUICK for encoding in ("utf-8", "latin-1")],
)
def test_every_command_shows_odd_names_on_every_terminal(
    name: str, encoding: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    code, out, err = run(COMMANDS[name], encoding)
    assert code in (0, 1) if name == "check" else code == 0, err
    assert "Traceback" not in err
    for text in (out, err):
        assert not {"\x1b", "\x07", "\r", "\0", "\u202e"} & set(text)
    if name in ("list", "bench list", "plugins", "show"):
        assert "[/home] acme[learn] [bold]b[/bold] :smile: <i>&\\x1b[31m" in out
        assert visible(ODD) in out or encoding != "utf-8"


@pytest.mark.parametrize("name", ["list", "plugins", "check", "leaderboard"])
def test_only_our_own_colours_reach_a_terminal(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    code, out, err = run(COMMANDS[name], "utf-8", watched=True)
    assert code in (0, 1), err
    assert not {"\x07", "\0", "\u202e"} & set(out + err)
    assert "\x1b]" not in out
    assert "\x1b[31mµ" not in out


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_with_an_odd_name_is_one_line(
    name: str, encoding: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    code, out, err = run(MISTAKES[name], encoding)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(err)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "words",
    [
        ["list", "--json"],
        ["evaluate", "random", "--on", ID, "--episodes", "2", "--json"],
        ["leaderboard", "--store", "made.sqlite", "--json"],
    ],
    ids=["list", "evaluate", "leaderboard"],
)
def test_json_is_valid_in_every_encoding(
    words: list[str], encoding: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    code, out, _ = run(words, encoding)
    assert code == 0
    found = json.loads(out, parse_constant=lambda constant: pytest.fail(constant))
    if words[0] == "list":
        assert ODD in {spec["summary"] for spec in found}


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["latin-1", "C"],
)
def test_a_process_in_another_locale(locale: dict[str, str], tmp_path: Path) -> None:
    """What is saved there is UTF-8 and loads here; what is printed there fits."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from als_engine.agents.saving import AgentRecord, make_agent, save_agent\n"
        "agent = make_agent('random', 'ALS/Tag-v0')\n"
        "odd = {'x': 'd\\xe9\\u2713'}\n"
        "record = AgentRecord(agent='random', scenario='ALS/Tag-v0', arguments=odd)\n"
        "save_agent(agent, Path(sys.argv.pop()), record)\n"
        "from als_engine.cli import console, main\n"
        "console.prepare(); console.say('\\u2713 \\xb5 \\xd7 \\u65e5')\n"
        "sys.argv = ['als', 'check', 'ALS/Tag-v0', '--only', 'levels', '--levels', '2']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "agent")],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("LC_")}, **locale},
        capture_output=True,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode("utf-8", "replace")
    assert done.returncode in (0, 2)
    assert done.stdout.decode("latin-1").splitlines()[0] in ("ok u x \\u65e5", "ok µ × \\u65e5")
    assert '"dé✓"' in (tmp_path / "agent" / "agent.json").read_text("utf-8")
