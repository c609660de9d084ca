"""The board's pages are whole, ask nobody for anything, sort, and can be read wherever they are."""

from __future__ import annotations

import dataclasses
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import chromium, contrast, opened
from hostile_world import hostile
from made_results import SUITE, Maker, a_chunk, a_run, an_agent, make_store
from PIL import Image

from als_bench.board import films, pages
from als_bench.board.pages import write_board
from als_bench.records import TrainedAgent, Unit
from als_bench.results.store import Store, StoreWriter
from als_bench.standings import read_standings
from als_engine.agents.saving import AgentRecord, make_agent, save_agent
from als_engine.errors import SavedFileError
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

__all__ = ["hostile"]

NASTY = "x<script>window.stolen=1</script><img src=x onerror=window.stolen=1>\"'&"


def write(store: Path, folder: Path, **options: Any) -> Path:
    with Store(store) as opened_store:
        return write_board(folder, opened_store, read_standings(opened_store), **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "made.sqlite")


@pytest.fixture(scope="module")
def board(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board without films."""
    return write(store, tmp_path_factory.mktemp("board"), films=False).parent


def texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".html", ".json")
    }


def test_there_is_a_page_for_the_table_each_entry_and_each_agent(board: Path) -> None:
    names = set(texts(board))
    assert {"index.html", "board.json", "entries/tag-in-pairs.html", "agents/sac.html"} <= names
    assert {"entries/als-tag-v0.html", "agents/ppo-encoder-attention.html"} <= names
    assert len(names) == 2 + 4 + 8


def test_every_link_leads_somewhere_and_nowhere_else(board: Path) -> None:
    for name, text in texts(board).items():
        if name.endswith(".html"):
            folder = (board / name).parent
            for link in re.findall(r'(?:href|src)="([^"]*)"', text):
                assert link == "data:," or (folder / html.unescape(link)).is_file(), (name, link)
            # The namespace of SVG is a name, not an address that is asked.
            assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_manifest_says_how_an_agent_came_about(board: Path) -> None:
    page = html.unescape((board / "agents" / "ppo-encoder-attention.html").read_text())
    wanted = ("als bench run made --agent ppo:encoder=attention", "c" * 64, "made-executed-c")
    for words in (*wanted, "Some Processor 9000", "5e" * 32, "2.13.0", "50,000"):
        assert words in page
    assert "replayed: 400 episodes" in (board / "agents" / "dqn.html").read_text()


def test_failures_are_shown_where_they_happened(board: Path) -> None:
    reason = "its process ended with signal 11 &lt;b&gt;at step 17&lt;/b&gt;"
    found = [name for name, text in texts(board).items() if reason in text]
    assert found == ["agents/dqn.html", "entries/als-delivery-v0.html"]
    assert "crashed in 1 unit" in (board / "index.html").read_text()


def test_an_entry_has_its_curves_profiles_and_pairings(board: Path) -> None:
    pairs = (board / "entries" / "tag-in-pairs.html").read_text()
    for title in ("Learning curves", "Performance profiles", "Who beats whom", "Cross-play"):
        assert f"<h2>{title}" in pairs
    assert "<h2>Cross-play" not in (board / "entries" / "als-tag-v0.html").read_text()


def test_the_same_rows_give_the_same_bytes(store: Path, board: Path, tmp_path: Path) -> None:
    write(store, tmp_path / "again", films=False)
    assert texts(tmp_path / "again") == texts(board)


def test_a_suite_without_yardsticks_has_a_board_all_the_same(tmp_path: Path) -> None:
    entry = SuiteEntry("ALS/Tag-v0", name="no yardsticks", steps=1_000)
    with StoreWriter(tmp_path / "bare.sqlite") as writer:
        run = a_run("bare-1", SuiteSpec(id="bare", entries=(entry,)))
        writer.add_run(run)
        chunk = a_chunk([1.0, 2.0], np.random.default_rng(0))
        writer.add_chunk(Unit(run.key, entry.name, "ppo", 0), chunk)
        writer.add_failure(Unit(run.key, entry.name, "dqn", 0), "never began")
    index = write(tmp_path / "bare.sqlite", tmp_path / "bare", films=False)
    assert ">1.50<" in index.read_text()
    assert "never began" in (tmp_path / "bare" / "entries" / "no-yardsticks.html").read_text()


# -- what is written ------------------------------------------------------------------------------


def test_a_newer_board_takes_the_place_of_an_older_one(store: Path, tmp_path: Path) -> None:
    write(store, tmp_path / "board", films=False)
    (tmp_path / "board" / "agents" / "gone.html").write_text("an agent of long ago")
    write(store, tmp_path / "board", films=False)
    assert not (tmp_path / "board" / "agents" / "gone.html").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_other_peoples_files_are_left_alone(store: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "mine"
    if kind == "folder":
        place.mkdir()
    file = place / "thesis.tex" if kind == "folder" else place
    file.write_text("years of work")
    with pytest.raises(SavedFileError, match=r"mine (holds other files|is a file): name a"):
        write(store, place, films=False)
    assert file.read_text() == "years of work"


def test_an_interruption_leaves_the_old_board_whole(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, tmp_path / "board", films=False)
    before = texts(tmp_path / "board")

    def interrupted(*args: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "entry_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(store, tmp_path / "board", films=False)
    assert texts(tmp_path / "board") == before
    assert [path.name for path in tmp_path.iterdir()] == ["board"]


# -- films ----------------------------------------------------------------------------------------


def frames_of(path: Path) -> int:
    with Image.open(path) as film:
        return int(film.n_frames)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("hostile")
def test_agents_are_filmed_on_a_held_out_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "MAX_FRAMES", 60)
    entry = SUITE.entries[1]
    assert entry.scenario == "ALS/Diagnosis-v0"
    run = a_run("film-1", SuiteSpec(id="film", entries=(entry,), episodes=20))
    arguments = {"sensors": ["entities", "proprioception"], "action_mode": "discrete"}
    agent = make_agent("q-learning", entry.scenario, arguments)
    record = AgentRecord(agent="q-learning", scenario=entry.scenario, arguments=arguments)
    save_agent(agent, tmp_path / "saved", record)
    saved = {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()}
    with StoreWriter(tmp_path / "film.sqlite") as writer:
        writer.add_run(run)
        maker = Maker(writer)
        # An agent that does not learn has no folder in the store; it is filmed by what was run.
        unit = Unit(run.key, entry.name, "mine", 0)
        maker.claim(unit, "hostile/constant")
        writer.add_chunk(unit, a_chunk([0.3] * 20, np.random.default_rng(0)))
        for agent in ("expert", "random"):
            maker.add(run, agent)
        for seed, total in enumerate([0.5, 0.2, 0.8]):
            unit = Unit(run.key, entry.name, "ppo", seed)
            files = saved if seed == 0 else an_agent("never-installed", entry)
            writer.add_training(unit, TrainedAgent(files, ((10, 1.0),), 10))
            writer.add_chunk(unit, a_chunk([total] * 20, np.random.default_rng(seed)))
        unit = Unit(run.key, entry.name, "foreign", 0)
        files = an_agent("never-installed", entry)
        writer.add_training(unit, TrainedAgent(files, ((10, 1.0),), 10))
        writer.add_chunk(unit, a_chunk([0.1] * 20, np.random.default_rng(0)))
    board = write(tmp_path / "film.sqlite", tmp_path / "board").parent
    frames = {path.stem: frames_of(path) for path in (board / "films").iterdir()}
    # Pillow joins pictures that are the same: those that show how an episode ended.
    assert set(frames) == {"expert", "random", "ppo", "mine"}
    assert frames["random"] > 40
    pages = {name: html.unescape(text) for name, text in texts(board).items()}
    level = re.search(r"level (1\d{4}) of the test split", pages["agents/ppo.html"])
    assert level is not None
    # The seed in the middle is filmed, the only one that can be loaded here.
    seen = f"level {level[1]} of the test split, training seed 0. The first 60 steps"
    assert seen in pages["index.html"]
    assert f"level {level[1]} of the test split. The first 60 steps" in pages["index.html"]
    assert "No film: " in pages["agents/foreign.html"]
    assert 'unknown agent "never-installed"' in pages["agents/foreign.html"]


# -- in a browser ---------------------------------------------------------------------------------

browser = pytest.fixture(chromium, scope="module")

PAGES = ("index.html", "entries/tag-in-pairs.html", "agents/dqn.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_shows_something_and_asks_nobody(
    browser: Any, board: Path, name: str, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 900}
    with opened(browser, board / name, viewport=size, color_scheme=scheme) as page:
        view = page.view
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        cut = (
            "[...document.querySelectorAll('.card')].filter(c => c.scrollWidth > c.clientWidth + 1)"
        )
        assert view.evaluate(f"{cut}.length") == 0
        picture = np.asarray(Image.open(io.BytesIO(view.screenshot())).convert("RGB"), np.int64)
        assert len(np.unique(picture @ [1 << 16, 1 << 8, 1])) > 200
        bright = picture.mean() > 128
        assert bright == (scheme == "light")
        assert (page.asked, page.said) == ([], [])


def rows(view: Any, part: int, column: int) -> list[str]:
    """What the rows of a part of the table are sorted by."""
    keys = f"r => r.cells[{column}].dataset.key ?? r.cells[{column}].textContent"
    found = view.evaluate(f"[...document.querySelector('table').tBodies[{part}].rows].map({keys})")
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_columns_sort_by_mouse_and_by_keyboard(browser: Any, board: Path, by: str) -> None:
    with opened(browser, board / "index.html", viewport={"width": 1280, "height": 900}) as page:
        view = page.view
        buttons = view.locator("#standings th button")
        titles = buttons.all_inner_texts()
        columns = {title: view.locator("#standings th").nth(0) for title in titles}
        heads = view.locator("#standings thead th").all_inner_texts()
        assert view.locator("#standings th").nth(heads.index("rank")).get_attribute(
            "aria-sort"
        ) == ("ascending")

        def press(title: str) -> None:
            button = view.get_by_role("button", name=title, exact=True)
            if by == "mouse":
                button.click()
            else:
                button.focus()
                view.keyboard.press("Enter" if title == "score" else "Space")

        for title, first in (("score", "descending"), ("gap", "ascending"), ("agent", "ascending")):
            at = heads.index(title)
            for order in (first, "ascending" if first == "descending" else "descending"):
                press(title)
                head = view.locator("#standings thead th").nth(at)
                assert head.get_attribute("aria-sort") == order
                others = view.locator("#standings thead th[aria-sort]").all()
                states = [other.get_attribute("aria-sort") for other in others]
                assert states.count("none") == len(titles) - 1
                for part in range(3):
                    keys = rows(view, part, at)
                    known = [key for key in keys if key]
                    worth: Any = float if title != "agent" else str.casefold
                    assert known == sorted(known, key=worth, reverse=order == "descending")
                    # Who has no score is last either way.
                    assert keys[len(known) :] == [""] * (len(keys) - len(known))
        assert len(columns) == len(titles) == 6
        assert (page.asked, page.said) == ([], [])


def test_who_does_not_rank_is_never_sorted_among_those_who_do(browser: Any, board: Path) -> None:
    with opened(browser, board / "index.html", viewport={"width": 1280, "height": 900}) as page:
        page.view.get_by_role("button", name="tier", exact=True).click()
        ranked = page.view.evaluate("document.querySelector('table').tBodies[0].innerText")
        assert set(re.findall("executed|replayed|claimed|yardstick", ranked)) == {"executed"}


GROUND = """e => {
  for (; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor;
    if (!color.startsWith("rgba") || !color.endsWith(" 0)")) return color;
  }
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: Any, board: Path, scheme: str) -> None:
    selectors = [
        *("h1", ".lead", ".chips li", "th button", ".value", "td small", "figcaption", "dt"),
        *(".executed", ".replayed", ".claimed", ".yardstick", ".provisional", ".crashed"),
    ]
    with opened(browser, board / "index.html", color_scheme=scheme) as page:
        for selector in selectors:
            element = page.view.locator(selector).first
            color = element.evaluate("e => getComputedStyle(e).color")
            # 4.5 is what WCAG 2.1 asks for.
            assert contrast(color, element.evaluate(GROUND)) >= 4.5, selector


def test_what_others_have_named_is_text_and_nothing_else(browser: Any, tmp_path: Path) -> None:
    entry = dataclasses.replace(SUITE.entries[0], arguments={"note": NASTY})
    suite = SuiteSpec(id="nasty", summary=NASTY, entries=(entry,), episodes=2)
    run = dataclasses.replace(
        a_run("nasty-1", suite),
        code={NASTY: NASTY},
        versions={NASTY: NASTY},
        machine={NASTY: NASTY},
    )
    with StoreWriter(tmp_path / "nasty.sqlite") as writer:
        writer.add_run(run)
        for agent in (NASTY, f"{NASTY}2"):
            unit = Unit(run.key, entry.name, agent, 0)
            writer.add_chunk(unit, a_chunk([1.0, 2.0], np.random.default_rng(0)))
            pair = dataclasses.replace(unit, entry=f"{entry.name} + {NASTY}")
            writer.add_chunk(pair, a_chunk([1.0, 2.0], np.random.default_rng(0)))
            writer.add_failure(dataclasses.replace(unit, seed=1), NASTY)
            files = {"agent.json": json.dumps({"agent": NASTY, "scenario": NASTY}).encode()}
            writer.add_training(unit, TrainedAgent(files, ((1, 0.5), (2, 1.0)), 2))
            writer.add_verdict(run.key, agent, "replayed", "a" * 64, NASTY)
    board = write(tmp_path / "nasty.sqlite", tmp_path / "board").parent
    found = [board / name for name in texts(board) if name.endswith(".html")]
    assert len(found) == 4
    for file in found:
        assert file.read_text().count("<script") == 1
        with opened(browser, file) as page:
            assert page.view.evaluate("window.stolen") is None
            assert NASTY in page.view.evaluate("document.body.innerText")
            assert (page.asked, page.said) == ([], [])
