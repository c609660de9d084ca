"""The page in a real Chromium: people watch an episode, drive an avatar, speak, and come back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from serving import served
from tabs import chromium, tab

from als_plugins.serve.app import page_files

__all__ = ["chromium"]

PAGE = ROOT / "plugins" / "als_plugins" / "serve" / "page"
OWN = sorted(path for path in PAGE.glob("*.*"))


def test_a_person_plays_tag_with_the_keys_to_the_end_of_the_episode(chromium: Any) -> None:
    arguments = {"num_avatars": 2, "max_episode_steps": 60}
    with (
        served("ALS/Tag-v0", arguments=arguments, paused=True) as world,
        tab(chromium, world) as page,
    ):
        page.join(0, "Ann")
        assert page.value("als.cameras.mode") == "follow"
        before = page.board("pose.avatar0")
        page.view.keyboard.down("w")
        page.view.keyboard.press("p")
        page.wait("als.link.get('step') > 8")
        after = page.board("pose.avatar0")
        assert abs(after[0] - before[0]) + abs(after[1] - before[1]) > 0.1
        page.view.keyboard.up("w")
        page.wait("als.link.get('clock').over")
        page.wait("!document.getElementById('result').hidden")
        assert "return" in page.view.inner_text("#result")
        page.wait("als.link.get('clock').episode === 2")
        assert page.board("seat.0")["person"] == "Ann"


def test_a_person_teaches_with_the_palette_and_others_see_it(chromium: Any) -> None:
    with served("ALS/Tutor-v0") as world, tab(chromium, world) as page, world.program() as other:
        page.join(0, "<b>Ann</b>")
        other.until(lambda: other.board.get("seat.0", {}).get("person") == "<b>Ann</b>")
        page.wait("document.querySelector('#seats small').textContent === '<b>Ann</b>'")
        page.view.evaluate("document.querySelector('#palette button.verb').click()")
        page.wait("document.querySelector('#words').value.endsWith(' ')")
        page.view.evaluate("document.querySelector('#palette button').click()")
        verbs = other.board["can.teacher"]["verbs"]
        first = next(each for each in verbs if each["slots"])
        text = f"{first['say']} {first['slots'][0]}"
        other.until(lambda: other.board.get("said.0", {}).get("text") == text)
        page.wait("document.querySelector('#log').textContent.includes('<b>Ann</b>')")
        assert page.value("document.querySelectorAll('#log b').length") >= 1
        assert page.value("document.querySelectorAll('#log b b').length") == 0


def test_a_person_takes_minutes_by_typing_and_comes_back_after_a_drop(chromium: Any) -> None:
    with served("ALS/Meeting-v0") as world, tab(chromium, world) as page:
        page.join(0, "Ann")
        page.view.keyboard.press("Enter")
        page.view.keyboard.type("pard")
        page.view.keyboard.press("Enter")
        page.wait("document.querySelector('#log')?.textContent.includes('Annpardon')")
        # Keys that are typed walk nobody about.
        assert page.value("document.activeElement.id") == "view"
        page.value("als.link.socket.close()")
        page.wait("als.link.client === null")
        page.wait("als.link.get('seat.0')?.person === 'Ann' && als.link.client !== null")


def test_the_eyes_look_where_the_mouse_turns_them(chromium: Any) -> None:
    with served("ALS/Tag-v0") as world, tab(chromium, world) as page:
        page.join(0, "Ann")
        page.value("document.querySelector('[data-camera=first]').click()")
        page.wait("als.cameras.mode === 'first' && als.cameras.hidden")
        page.view.mouse.move(330, 250)
        page.view.mouse.down()
        page.view.mouse.move(210, 250, steps=4)
        page.view.mouse.up()
        page.wait("als.cameras.look !== null")
        page.wait(
            "Math.abs(Math.sin(als.cameras.look - als.things.avatar(0).heading)) < 0.15",
        )


def test_a_phone_has_a_pad_to_walk_with(chromium: Any) -> None:
    size = {"width": 390, "height": 740}
    with (
        served("ALS/Tag-v0", paused=True) as world,
        tab(chromium, world, has_touch=True, is_mobile=True, viewport=size) as page,
    ):
        page.join(0, "Ann")
        assert page.view.is_visible("#pad")
        before = page.board("pose.avatar0")
        box = page.view.locator("#pad").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + 8
        page.view.mouse.move(x, y)
        page.view.mouse.down()
        page.value("als.link.send('pace', {paused: false})")
        page.wait(f"Math.abs(als.link.get('pose.avatar0')[0] - {before[0]}) > 0.1 || "
                  f"Math.abs(als.link.get('pose.avatar0')[1] - {before[1]}) > 0.1")  # fmt: skip
        page.view.mouse.up()


def test_the_page_weighs_less_than_two_megabytes() -> None:
    files = page_files()
    assert {"index.html", "main.js", "style.css", "three/three.module.js"} <= set(files)
    on_disk = sum(path.stat().st_size for path in PAGE.rglob("*.*"))
    sent = sum(len(content) for _, content in files.values())
    assert on_disk < 1_000_000
    assert sent < 300_000


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_pages_files_are_short_and_parse_no_html(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 450
    banned = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser"
    assert not re.findall(banned, text)
    assert not re.findall(r"https?://(?!\$)", text)
    if path.suffix == ".html":
        assert not re.findall(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", text)
