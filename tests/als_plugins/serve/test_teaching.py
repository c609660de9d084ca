"""Persons teach an agent in the page: what they show becomes a dataset, and the agent does it."""

from __future__ import annotations

import json
import math
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from serving import Program, served, until
from tabs import chromium, tab

from als_engine.agents.saving import AgentRecord, load_agent, make_agent, save_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.adaptation.adapt import adapt
from als_plugins.experience.dataset import open_experience
from als_plugins.experience.records import part_of, read_dataset
from als_plugins.imitation.imitate import imitate
from als_plugins.serve.opening import open_live, open_teaching
from als_plugins.serve.teaching.agreement import agreement, agreement_with
from als_plugins.serve.teaching.judging import PageChannel

__all__ = ["chromium"]

pytestmark = pytest.mark.timeout(500)
ID = "ALS/Tag-v0"
ARGUMENTS = {
    "num_avatars": 2, "sensors": ["entities", "proprioception"], "action_mode": "discrete",
    "max_episode_steps": 60,
}  # fmt: skip


@pytest.fixture(scope="module")
def beginner(tmp_path_factory: Any) -> Path:
    """An agent that has learnt nothing."""
    folder: Path = tmp_path_factory.mktemp("beginner") / "agent"
    agent = make_agent("mappo", ID, ARGUMENTS, {"net_arch": [32]})
    save_agent(agent, folder, AgentRecord(agent="mappo", scenario=ID, arguments=ARGUMENTS))
    return folder


def chase(program: Program) -> None:
    """Drives avatar 0 to avatar 1."""
    own, other = program.board.get("pose.avatar0"), program.board.get("pose.avatar1")
    if own and other:
        face = math.atan2(other[1] - own[1], other[0] - own[0])
        program.send("drive", forward=1.0, face=face)


def taught(program: Program, what: str) -> int:
    return int(program.board["teaching"][what])


@pytest.fixture(scope="module")
def lessons(beginner: Path) -> SimpleNamespace:
    """What a program has shown as a person would, and what the agent made of it in the page."""
    folder = beginner.parent / "lessons"
    with served(str(beginner), teach=folder, speed=8.0) as world, world.program() as ann:
        ann.until(lambda: "teaching" in ann.board)
        for kind, fields in (
            ("judge", {"avatar": 0, "value": 1.0}),
            ("learn", {}),
            ("prefer", {"avatar": 0, **dict.fromkeys(("better", "worse"), clip(1, 0, 9))}),
        ):
            ann.send(kind, **fields)
            assert ann.refusal() == "agree to what is kept first"
        # Who has not agreed may drive; nothing of it is kept.
        ann.send("join", avatar=0, name="Ann Smith")
        began = ann.until(lambda: ann.board.get("step"))
        ann.send("drive", forward=1.0)
        ann.until(lambda: ann.board["step"] > began + 5 or ann.board["clock"]["episode"] > 1)
        assert (taught(ann, "corrections"), ann.board["teaching"]["agreement"]) == (0, None)
        ann.send("consent", agree=True)
        ann.until(lambda: ann.answers[-1]["type"] == "consent")
        while taught(ann, "corrected") < 150:
            ann.read()
            chase(ann)
        before = ann.board["teaching"]["agreement"]
        ann.send("leave")
        ann.until(lambda: ann.board["seat.0"]["person"] is None)
        gone = ann.board["clock"]["episode"]
        ann.send("next")
        ann.until(lambda: ann.board["clock"]["episode"] > gone and ann.board["step"] > 20)
        ann.send("judge", avatar=0, value=1.0)
        ann.until(lambda: taught(ann, "praised"))
        episode = ann.board["clock"]["episode"]
        ann.send("prefer", avatar=0, better=clip(episode, 0, 4), worse=clip(episode, 5, 9))
        ann.until(lambda: taught(ann, "preferences"))
        ann.send("prefer", avatar=0, better=clip(episode, 0, 4), worse=clip(99, 5, 9))
        assert "not remembered" in ann.refusal()
        ann.send("judge", avatar=1, value=1.0)
        assert "does not drive" in ann.refusal()
        ann.send("pace", paused=True)
        ann.send("learn")
        until_learnt(ann)
        ann.until(lambda: ann.board["seat.0"]["driver"] == "mappo of 0001")
        board = dict(ann.board["teaching"])
        pseudonym = next(a["pseudonym"] for a in ann.answers if a["type"] == "consent")
    return SimpleNamespace(folder=folder, board=board, person=pseudonym, before=before)


def until_learnt(program: Program) -> None:
    """Waits although nothing is sent meanwhile."""
    for _ in range(30):
        with suppress(TimeoutError):
            program.until(lambda: program.board["teaching"]["learnt"])
            return


def clip(episode: int, first: int, last: int) -> dict[str, int]:
    return {"episode": episode, "first": first, "last": last}


def test_the_agent_in_the_page_learns_what_it_was_shown(lessons: SimpleNamespace) -> None:
    learnt = lessons.board["learnt"]
    assert learnt["after"] > learnt["before"] + 0.25
    assert learnt["before"] == pytest.approx(lessons.before, abs=0.25)
    agent, record = load_agent(lessons.folder / "agents" / "0001")
    assert record.training is not None
    assert record.training.demonstrated == learnt["steps"]
    part = open_experience(lessons.folder, ARGUMENTS["sensors"]).part("train")
    assert agreement_with(agent, part) == pytest.approx(learnt["after"], abs=0.002)


def test_what_was_shown_is_a_dataset_without_names(lessons: SimpleNamespace) -> None:
    sources = {source.policy: source for source in read_dataset(lessons.folder).sources}
    assert set(sources) == {"person", "praised"}
    for source in sources.values():
        assert source.people is not None
        assert source.people.persons == [lessons.person]
        assert source.people.purpose.endswith("to train this agent")
    assert sources["person"].steps >= 150
    assert sources["praised"].steps >= 5 + 10
    for path in lessons.folder.rglob("*"):
        assert not path.is_file() or b"Ann" not in path.read_bytes()


def test_als_imitate_goes_on_from_a_saved_agent_with_what_was_shown(
    lessons: SimpleNamespace, beginner: Path
) -> None:
    """The corrections are those of a discrete agent, whose next step is what was really done."""
    trained = imitate(
        ID, str(lessons.folder), begin=beginner, device="cpu",
        config={"imitation_batch": 64, "passes": 120},
    )  # fmt: skip
    part = open_experience(lessons.folder, ARGUMENTS["sensors"]).part("train")
    old, _ = load_agent(beginner)
    before, after = agreement_with(old, part), agreement_with(trained.agent, part)
    assert before is not None
    assert after is not None
    assert after > before + 0.1
    with pytest.raises(ArgumentError, match="holds an agent of mappo"):
        imitate(ID, str(lessons.folder), agent="ppo", begin=beginner)


def test_teaching_goes_on_in_the_same_folder_and_nowhere_else(
    lessons: SimpleNamespace, beginner: Path, tmp_path: Path
) -> None:
    stage = open_live(str(beginner), None, {}, as_agents=True)
    teaching = open_teaching(stage, lessons.folder, str(beginner))
    assert teaching.values()["corrected"] == lessons.board["corrected"]
    with pytest.raises(SavedFileError, match=r"another process|is being written"):
        open_teaching(stage, lessons.folder, str(beginner))
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(SavedFileError, match="holds other files"):
        open_teaching(stage, tmp_path, str(beginner))
    teaching.close()
    held = next(level for level in range(100) if part_of(level) != "train")
    for arguments, why in (({"split": "test"}, "train split"), ({"level": held}, "held out")):
        stage.arguments = {**stage.arguments, **arguments}
        with pytest.raises(ArgumentError, match=why):
            open_teaching(stage, tmp_path / "new", str(beginner))
        stage.arguments = {k: v for k, v in stage.arguments.items() if k not in arguments}
    stage.close()


def test_good_and_bad_on_the_page_reach_an_adaptation(beginner: Path, tmp_path: Path) -> None:
    channel = PageChannel(pace=0.0, port=0, browser=False)
    found: list[Any] = []

    def learn() -> None:
        found.append(
            adapt(
                beginner, folder=tmp_path / "adapted", feedback=channel, steps=512, worlds=2,
                evaluate_every=512, episodes=2, device="cpu",
            )
        )  # fmt: skip

    thread = threading.Thread(target=learn)
    thread.start()
    until(lambda: channel.address, 300.0)
    with judge(channel) as ann:
        ann.until(lambda: ann.board.get("teaching"))
        for value in (1.0, 0.5, -1.0):
            ann.send("judge", avatar=0, value=value)
        ann.until(lambda: ann.board["teaching"]["line"].startswith("3 judgements, 2 of them good"))
        ann.send("learn")
        assert "--teach" in ann.refusal()
    thread.join(400)
    last = found[0].rounds[-1]
    assert (last.events, last.praise) == (3, pytest.approx(0.5 / 3))


def judge(channel: PageChannel) -> Any:
    """A program that looks at the page of an adaptation."""
    from serving import Served

    world = Served.__new__(Served)
    world.server = channel._server  # type: ignore[assignment]
    until(lambda: world.server.started)
    return world.program()


@pytest.mark.parametrize(
    ("space", "one", "other", "share"),
    [
        (Discrete(4), 2, 2, 1.0),
        (Discrete(4), 2, 1, 0.0),
        (MultiDiscrete([3, 3]), [1, 2], [1, 0], 0.5),
        (Box(-1.0, 1.0, (2,)), [1.0, 0.0], [-1.0, 0.0], 0.5),
    ],
)
def test_agreement_is_a_share(space: Any, one: Any, other: Any, share: float) -> None:
    assert agreement(space, np.array(one), np.array(other)) == share


def test_messages_of_teachers_are_bounded() -> None:
    from als_plugins.serve.protocol import BadMessage, read

    for fields in (
        {"type": "judge", "avatar": 0, "value": 1.5},
        {"type": "consent", "agree": True, "pseudonym": "Ann Smith"},
        {"type": "prefer", "avatar": 0, "better": clip(0, 0, 1), "worse": clip(1, 0, 1)},
        {"type": "learn", "folder": "/etc"},
    ):
        with pytest.raises(BadMessage):
            read(json.dumps({"n": 1, **fields}), "als.v1.json")


def test_the_keys_praise_and_take_over_in_the_page(
    chromium: Any, beginner: Path, tmp_path: Path
) -> None:
    with (
        served(str(beginner), teach=tmp_path / "lessons") as world,
        tab(chromium, world) as page,
    ):
        page.view.keyboard.press("x")
        page.view.click("#teach-agree")
        page.wait("als.teach.name && !document.getElementById('teach-tools').hidden")
        assert not page.value("document.body.classList.contains('playing')")
        page.view.keyboard.press("x")
        page.wait("document.body.classList.contains('playing')")
        page.view.keyboard.down("w")
        page.wait("als.link.get('teaching').agreement !== null")
        page.view.keyboard.up("w")
        page.view.keyboard.press("x")
        page.wait("als.link.get('teaching').corrections === 1")
        page.wait("document.getElementById('teach-line').textContent.includes('1 correction')")
        page.wait("als.link.get('step') > 15 && als.link.get('step') < 50")
        page.view.keyboard.press("g")
        page.wait("als.link.get('teaching').praised > 0")
        name = page.value("als.teach.name")
        page.view.reload()
        page.wait(f"window.als?.teach.name === {name!r}")
