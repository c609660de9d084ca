"""The documentation is true: its code runs, its pages name everything, its site asks nobody."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import typer
from places import ROOT

import als_engine
from als_engine import Rows
from als_engine.agents.agent import Training
from als_engine.cli.app import build_app
from als_engine.plugins.registry import registry
from als_engine.simulation import ARGUMENTS

README = (ROOT / "README.md").read_text(encoding="utf-8")
SPECS = {spec.id: spec for spec in registry.scenarios()}


# The scripts lie in no package, and import their neighbours.
sys.path.append(str(ROOT / "docs" / "scripts"))
pages: Any = import_module("scenario_pages")
scenario_baselines: Any = import_module("scenario_baselines")
cli_page: Any = import_module("cli_page")
reference_pages: Any = import_module("reference_pages")


@pytest.mark.parametrize("id", SPECS)
def test_every_scenario_is_described_in_the_fixed_sections(id: str) -> None:
    text = pages.docstring(SPECS[id])
    found = pages.sections(text)
    assert [section for section in found if section != "References"] == [*pages.SECTIONS]
    for section, following in zip(found, (*found[1:], None), strict=True):
        body = text.split(f"## {section}\n")[1].split(f"## {following}\n")[0]
        assert len(body.split()) > 2, f"{section} says next to nothing"


@pytest.mark.parametrize("id", SPECS)
def test_a_scenarios_page_has_its_sections_its_arguments_and_a_picture(id: str) -> None:
    spec = SPECS[id]
    page = pages.page(spec)
    assert page.startswith(f"# {id}\n")
    assert [title for title in pages.sections(page) if title in pages.SECTIONS] == [*pages.SECTIONS]
    for name in ARGUMENTS:
        assert f"| `{name}` |" in page
    assert f"../{pages.name_of(spec)}.png" in page
    assert f"]({pages.name_of(spec)}.md)" in pages.index([spec])
    picture = pages.picture(spec, width=64)
    assert picture.startswith(b"\x89PNG")
    assert picture == pages.picture(spec, width=64)


def test_every_scenarios_page_has_a_small_film() -> None:
    films = {
        pages.name_of(spec): pages.FILMS / f"{pages.name_of(spec)}.mp4" for spec in SPECS.values()
    }
    assert {*films.values()} == {*pages.FILMS.iterdir()}
    for name, film in films.items():
        assert film.read_bytes()[4:8] == b"ftyp"
        assert film.stat().st_size < 150_000, f"{name}: `make images` films it anew"
    assert sum(film.stat().st_size for film in films.values()) < 2_000_000


def test_the_page_of_somebody_elses_scenario_has_a_picture_for_a_film() -> None:
    theirs = replace(SPECS["ALS/Vocabulary-v0"], id="Acme/Words-v0")
    assert "![A level of Acme/Words-v0](acme-words-v0.png)" in pages.page(theirs)


@pytest.mark.parametrize("id", SPECS)
def test_the_readme_shows_every_scenario(id: str) -> None:
    assert f"`{id}`" in README
    assert f"docs/images/{pages.name_of(SPECS[id])}.png" in README


def test_the_reference_names_every_command_and_option() -> None:
    reference = cli_page.insert_commands((ROOT / "docs" / "cli.md").read_text(encoding="utf-8"))
    group: Any = typer.main.get_command(build_app())
    assert {name.partition(" ")[0] for name, _ in cli_page.commands()} == set(group.commands)
    for name, command in cli_page.commands():
        assert f"## als {name}\n" in reference
        for parameter in command.params:
            for option in parameter.opts:
                assert option in reference or parameter.param_type_name == "argument"


def test_local_links_lead_somewhere() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            generated = target.startswith(("scenarios/", "reference/"))
            if not generated and "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def _from_python(path: str) -> list[str]:
    """The Python that a page shows, but for the plugin, which is a package of its own."""
    text = (ROOT / path).read_text(encoding="utf-8").partition("## A scenario of your own")[0]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_readme_and_the_first_page_show_the_same_code() -> None:
    assert len(_from_python("README.md")) == 3
    assert _from_python("docs/index.md") == _from_python("README.md")


@pytest.mark.timeout(300)
def test_the_code_runs_as_it_stands_in_a_plain_script_and_visibly_learns(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra `learn` is not installed")
    code = "\n".join(_from_python("README.md"))
    assert "__main__" not in code
    # All that is not as it stands: a shorter training, and fewer worlds that only stand there.
    assert code.count("100_000") == code.count("num_envs=64") == 1
    code = code.replace("100_000", "12_000").replace("num_envs=64", "num_envs=4")
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    # Warnings are errors: a page that shows code that warns is wrong.
    words = [sys.executable, "-W", "error::UserWarning", str(script)]
    # One thread, since the tests beside this one have the other processors.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        words, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > -1.2  # Of random actions, -1.8 with an interval of 0.3 around it.


def _commands_shown() -> list[tuple[str, str]]:
    """Every `als` command in a block of the README and the docs, without what is said of it."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for block in re.findall(r"```(?:text|bash)?\n(.*?)```", text, re.DOTALL):
            for command in re.findall(r"^(?:torchrun .* --no-python )?(als [a-z].*)", block, re.M):
                found.append((path.name, re.split(r" {2,}|#", command)[0].strip()))
    return found


@pytest.fixture(scope="module")
def group() -> Any:
    """The command line, built once."""
    return typer.main.get_command(build_app())


@pytest.mark.parametrize(("page", "line"), _commands_shown())
def test_every_command_in_the_docs_is_one(group: Any, page: str, line: str) -> None:
    command = group
    words = shlex.split(line)[1:]
    while hasattr(command, "resolve_command"):
        context = command.make_context("als", words[:1], resilient_parsing=True)
        name, command, words = command.resolve_command(context, words)
    command.make_context(name, words)  # Raises what the command would print.


def test_the_readmes_plugin_is_the_one_in_the_guide() -> None:
    guide = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    example = README.split("class FetchKettle")[1].split("@hookimpl")[0]
    assert example in guide


def test_the_learner_of_the_guide_is_trained_and_comes_back(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "own_learner.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n([^`]*class Bandit.*?)```", guide, re.DOTALL)
    made: dict[str, Any] = {}
    exec(code, made)  # It is what a reader would copy.
    rows = Rows("ALS/Tag-v0", 4, observers=1, sensors=["touch"])
    learner = made["Bandit"](rows.observation_space, rows.action_space)
    progress = learner.learn(rows, Training(steps=200))
    rows.close()
    assert progress.steps == 200
    assert np.ptp(learner.values) > 0.0
    learner.save_weights(tmp_path)
    again = made["Bandit"](rows.observation_space, rows.action_space)
    again.load_weights(tmp_path)
    assert np.array_equal(again.values, learner.values)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once, without a warning."""
    for name, package in (("material", "mkdocs-material"), ("mkdocstrings", "mkdocstrings-python")):
        pytest.importorskip(name, reason=f"{package} is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert built.returncode == 0, built.stderr
    return folder


# The first of these builds the site, also where it runs alone.
built_here = pytest.mark.timeout(520)


@built_here
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    made = {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    for spec in SPECS.values():
        assert f"scenarios/{pages.name_of(spec)}/index.html" in made
    loads = re.compile(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="?(?:https?:)?//[^>]*>')
    for page in site.rglob("*.html"):
        assert not loads.findall(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:", sheet.read_text(encoding="utf-8")), sheet
    assert not (site / "scripts").exists()


@built_here
def test_every_link_within_the_site_leads_to_a_place_that_is_there(site: Path) -> None:
    texts = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    places = {page: {*re.findall(r'\bid="?([^"\s>]+)', text)} for page, text in texts.items()}
    for page, text in texts.items():
        for link in {*re.findall(r'(?:href|src)="?([^"\s>]+)', text)}:
            target, _, place = unquote(html.unescape(link)).partition("#")
            if re.match(r"[a-z]+:|//", target):
                continue
            base = site if target.startswith("/") else page.parent
            found = (base / target.lstrip("/")).resolve() if target else page
            found = found / "index.html" if found.is_dir() else found
            assert found.exists(), f"{page.relative_to(site)} links to {link}"
            if place and found in places:
                assert place in places[found], f"{page.relative_to(site)} links to {link}"


@built_here
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    described = {
        name
        for page in (site / "reference").rglob("*.html")
        for name in re.findall(r'\bid="?([^"\s>]+)', page.read_text(encoding="utf-8"))
    }
    for package in reference_pages.PACKAGES:
        for module in reference_pages.modules(package):
            for name in reference_pages.public(module):
                assert f"{module}.{name}" in described
    first = (site / "reference" / "index.html").read_text(encoding="utf-8")
    for name in als_engine.__all__:
        assert f"<code>{name}</code>" in first


def test_scenario_pages_have_spaces_baselines_and_how_to_cite_them() -> None:
    page = pages.page(SPECS["ALS/Tag-v0"])
    assert re.search(r"\| `entities` \| (yes)? \| float32 \(16, 26\), -1 to 1 \|", page)
    assert "| ALS/Tag-v0 | `sensors=entities,proprioception` | -1.89 | 14.12 |" in page
    assert re.search(r"\| `heuristic:rule=straight` \| 14\.\d\d \[", page.replace("\u00a0", " "))
    assert re.search(r"\| `sensors=rgb` .* \| 4 \|", page)
    assert "ALS/Tag-v0, a scenario of ALS Engine" in page


def test_scenario_pages_say_what_each_role_observes_and_does() -> None:
    page = pages.page(SPECS["ALS/Meeting-v0"])
    assert "| `notes` | note-taker | float32 (96,), 0 to 1 |" in page
    assert "| `minutes` | yes |" in page
    assert "| `discrete` | speaker | `Discrete(7)`: stay, forward, " in page
    assert "| `continuous` | every role | `Box(" in page
    assert "| `factored` | note-taker | `MultiDiscrete([7 1 8 6])`: locomotion: stay, " in page


PLAYED = sorted((ROOT / "benchmarks" / "results" / "baselines").glob("*.json"))


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: path.stem)
def test_the_yardsticks_that_were_played_are_on_their_page(path: Path) -> None:
    played = json.loads(path.read_text(encoding="utf-8"))
    lines = "\n".join(scenario_baselines.baselines(SPECS[played["scenario"]]))
    for agent, figures in played["agents"].items():
        assert f"| `{agent}` | {figures['return'][0]:.2f}\u00a0[" in lines
    assert played["command"] in lines


def test_what_a_page_takes_in_is_named_as_mkdocs_reads_it() -> None:
    """A formatter that takes the mark for Python makes a sum of it."""
    for page in (ROOT / "docs").rglob("*.md"):
        for line in page.read_text(encoding="utf-8").splitlines():
            if re.match(r"\s*-+\s*8\s*<", line):
                assert re.fullmatch(r'--8<-- "[\w./:-]+"', line), f"{page}: {line}"


@pytest.mark.parametrize(
    ("benchmark", "page"),
    [
        ("solving", "learners"),
        ("ingredients", "learners"),
        ("forecasting", "forecast"),
        ("making", "making"),
        ("making_levels", "making"),
        ("making_sounds", "making"),
        ("making_tracks", "making"),
        ("making_words", "making"),
    ],
)
def test_a_table_of_results_is_what_its_command_prints(
    benchmark: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # It says how many threads torch has; everything else here is only read.
    import_module(benchmark).print_table()
    printed = capsys.readouterr().out
    assert printed.count("\n") > 2
    assert printed in (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")


def test_the_tables_of_evidence_are_those_of_its_results() -> None:
    rows, tables = import_module("evidence").read_rows(), import_module("tables")
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    for title, table in tables.tables(rows):
        assert f"### {title}\n\n{tables.markdown(table)}\n" in page
    assert tables.markdown(tables.summary(rows)) in (ROOT / "README.md").read_text(encoding="utf-8")
