"""What is anonymised names nobody, keeps what is to be learnt, and is used as persons agreed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import gymnasium
import minari
import numpy as np
import pytest
from als_command import als
from gymnasium.spaces import Box, Discrete
from hypothesis import given
from hypothesis import strategies as st

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.sensors.columns import ENTITIES
from als_plugins.experience.adding import Adding
from als_plugins.experience.consent import check_consent, record_consent
from als_plugins.experience.dataset import open_experience
from als_plugins.experience.episodes import Episode
from als_plugins.experience.records import (
    PeopleRecord,
    SourceRecord,
    describe_actions,
    describe_sensors,
    part_of,
    read_dataset,
    write_dataset,
)
from als_plugins.imitation.imitate import imitate
from als_plugins.privacy.anonymise import anonymise, pieces
from als_plugins.privacy.identify import identify
from als_plugins.privacy.rules import anonymous

ANN, BOB = "aaaa1111", "bbbb2222"
SENSORS = gymnasium.spaces.Dict(
    {
        "entities": Box(-1.0, 1.0, (4, len(ENTITIES)), np.float32),
        "proprioception": Box(-2.0, 2.0, (3,), np.float32),
        "rgb": Box(0, 255, (4, 4, 3), np.uint8),
        "text": Box(0, 1023, (8,), np.int32),
        "mood": Box(0.0, 1.0, (2,), np.float32),
    }
)
ACTIONS = Discrete(5)
IDENTITY, AVATAR, RED = (ENTITIES.index(name) for name in ("identity", "avatar", "red"))
LEVEL = 4_321
MARK = 0.712_345_6
"""Ann's, in whatever tells that it was her."""


def source(policy: str, **changes: object) -> SourceRecord:
    return SourceRecord(
        id=f"als/tag-{Path(policy).name}-0123-v0",
        scenario="ALS/Tag-v0",
        policy=policy,
        observations=describe_sensors(SENSORS),
        actions=describe_actions(ACTIONS),
    ).model_copy(update=changes)


def episode(person: str, steps: int, level: int = LEVEL, seed: int = 77_777) -> Episode:
    """Ann walks fast and turns left; Bob does neither."""
    rng = np.random.default_rng(seed)
    rows, ann = steps + 1, person == ANN
    things = np.zeros((rows, *SENSORS["entities"].shape), np.float32)
    things[:, :2, [0, AVATAR]] = 1.0
    things[:, 0, IDENTITY], things[:, 1, IDENTITY] = (MARK if ann else 0.5), 1.0
    things[:, 0, RED] = MARK if ann else 0.5
    things[:, :2, ENTITIES.index("distance")] = rng.random((rows, 2))
    body = rng.normal(0.8 if ann else 0.1, 0.2, (rows, 3)).clip(-2, 2).astype(np.float32)
    return Episode(
        observations={
            "entities": things,
            "proprioception": body,
            "rgb": np.full((rows, 4, 4, 3), 201 if ann else 99, np.uint8),
            "text": np.full((rows, 8), 1_001 if ann else 17, np.int32),
            "mood": np.full((rows, 2), MARK, np.float32),
        },
        actions=np.where(rng.random(steps) < 0.7, 1 if ann else 3, 0),
        rewards=np.linspace(0.0, 1.0, steps),
        infos={
            "nearest_prop": np.zeros((rows, 2), np.float32),
            "speaker": np.full(rows, 3, np.int64),
            "sign_number": np.full(rows, 424_242, np.int64),
            "level": np.full(rows, level, np.int64),
        },
        terminated=seed % 2 == 0,
        attributes={"seed": seed, "level": level, "policy": "person", "person": person},
    )


def lay_down(folder: Path, *persons: str, episodes: int, **changes: object) -> Path:
    policy = str(changes.pop("policy", "person"))
    folder.mkdir(exist_ok=True)
    adding = Adding(folder, source(policy, **changes), (SENSORS, ACTIONS))
    for number in range(episodes):
        for person in persons:
            adding.add(episode(person, 6 + number, seed=77_000 + 10 * number + (person == ANN)))
    adding.join(persons)
    adding.close()
    return folder


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "lessons"
    people = PeopleRecord(purpose="to play tag as I do", uses=("imitation",))
    return lay_down(folder, ANN, BOB, episodes=5, people=people)


@pytest.fixture(scope="module")
def told(lessons: Path) -> Path:
    anonymise(lessons, lessons.parent / "anonymous")
    return lessons.parent / "anonymous"


def holds(folder: Path, what: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and what in path.read_bytes()]


def test_no_byte_says_who_acted_and_what_is_to_be_learnt_stays(lessons: Path, told: Path) -> None:
    open_experience(told)  # The cache, too.
    marks = [
        ANN.encode(),
        BOB.encode(),
        np.full(2, MARK, np.float32).tobytes(),
        np.full(8, 1_001, np.int32).tobytes(),
        np.full(12, 201, np.uint8).tobytes(),
        np.int64(424_242).tobytes(),
        np.int64(LEVEL).tobytes(),
    ]
    for mark in marks:
        assert holds(lessons, mark)
        assert not holds(told, mark)
    before, after = read_dataset(lessons).sources[0], read_dataset(told).sources[0]
    assert [*after.observations] == ["entities", "proprioception"]
    assert (after.episodes, after.steps) == (before.episodes, before.steps)
    old, new = (open_experience(each).part(part_of(LEVEL)).windows(1) for each in (lessons, told))
    # In another order: the same ways, actions and rewards.
    ways = [each.take(np.arange(len(each))).observation["proprioception"] for each in (old, new)]
    assert sorted(map(bytes, ways[0])) == sorted(map(bytes, ways[1]))
    assert after.people is not None
    assert (after.people.purpose, after.people.uses) == ("to play tag as I do", ("imitation",))
    assert len({*after.people.persons}) == 10
    assert not {ANN, BOB} & {*after.people.persons}


def test_other_tools_find_a_pseudonym_in_each_episode_and_no_seed(
    told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(told / "minari"))
    (record,) = read_dataset(told).sources
    found = minari.load_dataset(record.id)
    attributes = [dict(each) for each in found.storage.get_episode_metadata(range(10))]
    assert all("seed" not in each for each in attributes)
    assert len({each["person"] for each in attributes}) == 10


def test_others_get_a_look_of_their_own_in_each_episode() -> None:
    rng = np.random.default_rng(1)
    first, second = (anonymous(episode(ANN, 5), rng).observations["entities"] for _ in range(2))
    for told in (first, second):
        assert (told[:, :2, IDENTITY] == told[:1, :2, IDENTITY]).all()  # Through all of it.
        assert told[0, 0, IDENTITY] != told[0, 1, IDENTITY]  # They can be told apart.
        assert (told[:, 2:] == 0).all()
    assert (first[0, :2, IDENTITY] != second[0, :2, IDENTITY]).all()


def test_sources_that_differ_by_who_acted_become_one(tmp_path: Path) -> None:
    folder = lay_down(tmp_path / "walks", ANN, episodes=5, policy="expert", seed=1)
    lay_down(folder, BOB, episodes=5, policy="runs/bob", seed=2, agent="0123")
    anonymise(folder, tmp_path / "out")
    (record,) = read_dataset(tmp_path / "out").sources
    assert (record.policy, record.agent, record.seed, record.people) == ("anonymous", None, 0, None)
    assert not holds(tmp_path / "out", b"runs/bob")


@given(steps=st.integers(1, 500), cut=st.none() | st.integers(2, 600))
def test_pieces_share_no_observation_and_lose_one_step_between_two(
    steps: int, cut: int | None
) -> None:
    found = pieces(steps, cut)
    assert found[0][0] == 0
    assert all(0 < end - first <= (cut or steps) for first, end in found)
    # A piece has the observation after its last step.
    assert all(second[0] == end + 1 for (_, end), second in pairwise(found))
    assert steps - found[-1][1] in (0, 1)


def test_an_attacker_is_measured_before_and_after_and_by_chance(lessons: Path) -> None:
    found = {(each.stage, each.attacker): each for each in identify(lessons)}
    assert {each.chance for each in found.values()} == {0.5}
    assert found["before", "logistic"].right.low > 0.5
    # They still walk and act as they do: that gives them away.
    assert found["after", "logistic"].right.low > 0.5
    assert identify(lessons) == [*found.values()]


def test_who_cannot_be_told_apart_is_named_by_chance(tmp_path: Path) -> None:
    folder = tmp_path / "same"
    folder.mkdir()
    adding = Adding(folder, source("person", people=PeopleRecord(purpose="x")), (SENSORS, ACTIONS))
    for number in range(40):
        same = episode(BOB, 6, seed=2 * number)
        name = (ANN, BOB)[number % 2]
        adding.add(Episode(**{**vars(same), "attributes": {**same.attributes, "person": name}}))
    adding.join([ANN, BOB])
    adding.close()
    for each in identify(folder):
        assert each.right.low <= 0.5


def test_nothing_is_learnt_without_consent_or_for_another_purpose(
    lessons: Path, tmp_path: Path
) -> None:
    sources = read_dataset(lessons).sources
    check_consent(lessons, sources, "imitation")
    with pytest.raises(ArgumentError, match=r'agreed to imitation \("to play tag as I do"\), not'):
        check_consent(lessons, sources, "pretraining")
    silent = lay_down(tmp_path / "silent", ANN, episodes=1)
    sensors = {"sensors": ["proprioception"]}
    with pytest.raises(ArgumentError, match=r"does not say that the persons in .* have agreed"):
        imitate("ALS/Tag-v0", str(silent), arguments=sensors)
    refused = als("pretrain", lessons, "--out", tmp_path / "encoder")
    assert refused.code == 2
    assert "not to pretraining" in " ".join(refused.err.split())
    assert not (tmp_path / "encoder").exists()
    done = als("data", "consent", silent, "--purpose", "a test", "--use", "pretraining")
    assert done.code == 0, done.err
    (record,) = read_dataset(silent).sources
    assert record.people == PeopleRecord(purpose="a test", uses=("pretraining",))
    with pytest.raises(ArgumentError, match="nobody else can widen it"):
        record_consent(silent, "everything", ["imitation"])


def test_a_dataset_of_agents_needs_nobodys_consent(tmp_path: Path) -> None:
    check_consent(tmp_path, [source("expert"), source("random")], "pretraining")


def test_wrong_folders_and_sensors_are_refused_in_a_line(lessons: Path, tmp_path: Path) -> None:
    with pytest.raises(SavedFileError, match="holds other files"):
        anonymise(lessons, lessons)
    with pytest.raises(ArgumentError, match='has no sensor "smell" to keep'):
        anonymise(lessons, tmp_path / "out", also=["smell"])
    write_dataset(tmp_path, read_dataset(lessons).model_copy(update={"sources": []}))
    with pytest.raises(SavedFileError, match="has no episodes"):
        anonymise(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_commands_say_what_stays_and_how_far_it_tells(lessons: Path, tmp_path: Path) -> None:
    done = als(
        "data", "anonymise", lessons, "--out", tmp_path / "out", "--keep", "mood", "--cut", 4
    )
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "Kept: entities, mood, proprioception; gone: rgb, text." in text
    (record,) = read_dataset(tmp_path / "out").sources
    assert record.episodes == 2 * sum(len(pieces(6 + n, 4)) for n in range(5))
    shown = als("data", "identify", lessons)
    assert "2 persons, 10 episodes" in " ".join(shown.out.split())
