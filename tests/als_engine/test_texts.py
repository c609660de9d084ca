"""Texts from outside are made safe in one place for each way out, and nobody goes around it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from places import ROOT

from als_engine.texts import cell, command, escape, one_line, visible

SOURCES = [
    path
    for folder in ("als_engine", "plugins", "scenarios", "benchmarks", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31m\x07\rb\0", r"a\x1b[31m\x07\x0db\x00"),
        ("pay\u202egnp.exe", r"pay\u202egnp.exe"),
        ("\x9b2J \u200b\ufeff\udcff\U000e0041", r"\x9b2J \u200b\ufeff\udcff\ue0041"),
        ("two\nlines\tand a tab, é µ 日本 \u200d", "two\nlines\tand a tab, é µ 日本 \u200d"),
    ],
)
def test_what_acts_on_a_terminal_is_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert one_line(f" {text}\n\n") == " ".join(shown.split()).replace("\n", " ") or "\r" in text


def test_a_page_gets_neither_tags_nor_quotes_nor_control_characters() -> None:
    assert escape('<b a="\'">&\x1b') == "&lt;b a=&quot;&#x27;&quot;&gt;&amp;\\x1b"


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "it's",
        "$(touch stolen)",
        "`id`",
        "a;b",
        "*",
        "~",
        "\n\t\x1b",
        "é \\",
        "",
        "-rf",
        "a&b",
    ],
)
def test_a_shell_reads_a_suggested_word_as_it_was(name: str, tmp_path: Path) -> None:
    line = command("printf", "%s", name)
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == name
    assert not list(tmp_path.iterdir())
    assert "\n" not in line


def test_a_bare_path_is_neither_an_option_nor_an_id() -> None:
    assert command("als", "evaluate", Path("ppo")) == "als evaluate ./ppo"
    assert command(Path("-x"), Path("runs/tag"), Path("/a b")) == "./-x runs/tag '/a b'"


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|x", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_cell_that_begins_a_formula_is_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, 3, None, True, "-1.5", "+2e3", "plain", "a=b", ""])
def test_numbers_and_other_cells_stay_what_they_are(value: object) -> None:
    assert cell(value) is value


# -- nobody goes around it --------------------------------------------------------------------


@cache
def calls(path: Path) -> list[tuple[ast.Call, str]]:
    """Every call in a file with the last part of what is called."""
    return list(_calls(path))


def _calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield node, function.attr
            elif isinstance(function, ast.Name):
                yield node, function.id


def opens_text_without_encoding(call: ast.Call, name: str) -> bool:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    if "encoding" in given:
        return False
    if name == "read_text":
        return not call.args
    if name == "write_text":
        # Ours takes a path and a text, and is always UTF-8.
        return len(call.args) == 1
    if name == "open" and "format" in given:
        return False  # A film's, of PyAV.
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        mode = given.get("mode")
        words += [mode.value] if isinstance(mode, ast.Constant) else []
        modes = [w for w in words if isinstance(w, str) and re.fullmatch(r"[rwaxbt+]{1,3}", w)]
        return bool(modes) and "b" not in modes[0]
    if name in ("run", "Popen", "check_output"):
        return "text" in given or "universal_newlines" in given
    return False


def test_files_and_pipes_that_are_text_name_their_encoding() -> None:
    """Whatever the locale: an agent that is saved under another one must load."""
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        for call, name in calls(path)
        if opens_text_without_encoding(call, name)
    ]
    assert not found, f"text without an encoding: {', '.join(found)}"


def test_only_one_module_writes_to_the_terminal() -> None:
    """But for lines about plugins and about compiling: a program without `als` gets them, too."""
    below = {"containment.py", "trials.py", "alone.py", "json_output.py", "compiling.py"}
    found = []
    for path in SOURCES:
        if path.parts[len(ROOT.parts)] in ("benchmarks", "docs") or path.name in {
            "console.py",
            *below,
        }:
            continue
        text = path.read_text(encoding="utf-8")
        if re.search(
            r"^\s*(from|import) rich|typer\.s?echo|std(out|err)\.write", text, re.MULTILINE
        ):
            found.append(path.name)
        found += [path.name for _, name in calls(path) if name == "print"]
    assert not found


def test_only_one_module_escapes_and_quotes() -> None:
    pattern = r"^\s*(from|import) (html|shlex|xml\.sax)|\.replace\(\"<\""
    found = [
        path.name
        for path in SOURCES
        if re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
        and path.parts[len(ROOT.parts)] not in ("benchmarks", "docs")
    ]
    assert found == ["texts.py"]
