"""Who somebody is, and who may rank, is decided by what is run, never by what it is called."""

from __future__ import annotations

import numpy as np
import pytest
from learn_worlds import ID, learn
from made_bundles import SUITE, Stages, honest, opened, sealed
from made_results import a_chunk, a_run, claims_about

from als_bench.checking.adoption import adopt
from als_bench.checking.bundle import Bundle
from als_bench.checking.verify import _labels, _one_agent_each, verify_bundle
from als_bench.contestants import Contestant, find_contestant, find_contestants
from als_bench.records import Unit
from als_bench.results.store import Store, StoreWriter
from als_bench.running.tasks import Seat, open_seat
from als_engine.agents.saving import AgentRecord, make_agent, save_agent
from als_engine.errors import ALSError, ArgumentError, StoreError

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

IMITATIONS = (
    "expert",
    "Expert",
    "EXPERT",
    "exp3rt",
    "ex-pert",
    "expert_2",
    "rand0m",
    "Random",
    "sac",
)


@pytest.fixture(scope="module")
def stages(learn):
    kept = Stages()
    yield kept
    kept.close()


@pytest.fixture(scope="module")
def bundle(stages):
    return honest(np.random.default_rng(27), stages)


def refusals(files, stages):
    return list(verify_bundle(Bundle.of(files), SUITE, stage=stages["any"]).refusals)


def renamed(files, label, player=None, entry=None):
    """The bundle with its first agent called otherwise, and everything else as it should be."""
    manifest, logs = opened(files)
    unit = manifest["units"][0]
    unit["agent"] = label
    unit["player"].update(player or {})
    unit["entry"] = entry or unit["entry"]
    manifest["units"].sort(key=lambda each: (each["entry"], each["agent"], each["seed"]))
    return sealed(manifest, logs)


# On the command line


@pytest.mark.parametrize("yardstick", ["expert", "random", "heuristic", "heuristic:rule=stroll"])
def test_a_yardstick_takes_no_other_name(yardstick):
    assert find_contestant(yardstick).label == yardstick
    name = yardstick.partition(":")[0]
    with pytest.raises(ArgumentError, match=f'"{name}" is a yardstick: it takes no other name'):
        find_contestant(f"super={yardstick}")


@pytest.mark.parametrize("name", IMITATIONS)
def test_nobody_is_called_like_a_yardstick_or_another_agent(name):
    with pytest.raises(ArgumentError, match="looks like"):
        find_contestant(f"{name}=ppo")
    assert find_contestant("ppo=ppo:gamma=0.9").label == "ppo"


@pytest.mark.parametrize(
    "names", [("mine", "Mine"), ("mine-1", "mine-l"), ("a0", "aO"), ("one", "0ne")]
)
def test_no_two_names_of_a_run_look_alike(names):
    with pytest.raises(ArgumentError, match="look alike"):
        find_contestants([f"{name}=ppo:gamma=0.{i}" for i, name in enumerate(names)])


def test_a_saved_yardstick_does_not_compete(tmp_path):
    agent = make_agent("expert", ID, {})
    save_agent(agent, tmp_path / "super", AgentRecord(agent="expert", scenario=ID))
    with pytest.raises(ArgumentError, match="is a yardstick"):
        find_contestant(str(tmp_path / "super"))
    # Nor would it play outside the sandbox, if somebody got it that far.
    seat = Seat(Contestant("super", "expert"), {"agent.json": b"{}"})
    with pytest.raises(ArgumentError, match="never a saved agent"), open_seat(seat, ID, {}):
        pass


def test_a_folder_s_name_becomes_plain(tmp_path):
    folder = tmp_path / "\N{CYRILLIC SMALL LETTER A}gent (best)  "
    agent = make_agent("learn/habit", ID, {})
    save_agent(agent, folder, AgentRecord(agent="learn/habit", scenario=ID))
    assert find_contestant(str(folder)).label.startswith("gent-best@")


# In bundles


@pytest.mark.parametrize("label", ["one", "somebody", "learn/habit:label=one", "ex-perts@home"])
def test_an_honest_label_is_accepted(bundle, stages, label):
    manifest, _ = opened(bundle)
    assert manifest["units"][0]["player"]["config"] == {"label": "one"}
    assert refusals(renamed(bundle, label), stages) == []


@pytest.mark.parametrize("player", ["expert", "random", "heuristic"])
@pytest.mark.parametrize("config", [{}, {"label": "one"}])
def test_a_bundle_cannot_claim_a_yardstick_under_another_name(bundle, stages, player, config):
    files = renamed(bundle, "super", {"agent": player, "config": config})
    assert any(f'"{player}" is a yardstick' in line for line in refusals(files, stages))


@pytest.mark.parametrize(
    "label",
    [
        *IMITATIONS,
        "expert ",
        "one  more",
        " one",
        "\N{CYRILLIC SMALL LETTER IE}xpert",
        "exp\N{ZERO WIDTH SPACE}ert",
        "one\n",
        "one + expert",
        "TWO",
        "ppo:gamma=0.9",
        "learn/habit:label=two",
        "one@1a2b3c4d",
    ],
)
def test_a_bundle_s_labels_take_nobody_in(bundle, stages, label):
    assert refusals(renamed(bundle, label), stages)


@pytest.mark.parametrize(
    ("label", "player", "line"),
    [
        ("expert", "learn/habit", 'looks like "expert"'),
        ("friend", "expert", '"expert" is a yardstick'),
        ("friend", "random", '"random" is a yardstick'),
        ("two", "q-learning", "two is another agent than elsewhere"),
        ("Two", "learn/habit", "look alike"),
    ],
)
def test_a_partner_is_who_the_entry_s_name_says(bundle, label, player, line):
    """In cross-play the partner's label is a part of the entry's name."""
    manifest = Bundle.of(bundle).manifest
    first, second = manifest.units
    beside = f"{first.entry} + {label}"
    partner = first.player.model_copy(update={"agent": player, "config": {}})
    pair = first.model_copy(update={"entry": beside, "partner": partner})
    claimed = manifest.model_copy(update={"units": (pair, first, second)})
    assert any(line in each for each in [*_labels(claimed, SUITE), *_one_agent_each(claimed)])
    honest = pair.model_copy(update={"entry": f"{first.entry} + two", "partner": second.player})
    claimed = manifest.model_copy(update={"units": (honest, first, second)})
    assert [*_labels(claimed, SUITE), *_one_agent_each(claimed)] == []


# In stores


def test_a_store_takes_no_yardstick_under_another_name(tmp_path):
    run = a_run("made-1")
    with StoreWriter(tmp_path / "store.sqlite") as writer:
        writer.add_run(run)
        for label, player in (("super", "expert"), ("expert", "sac"), ("Random", "ppo")):
            with pytest.raises(StoreError, match=r"yardstick|looks like"):
                writer.add_claims(Unit(run.key, "near", label, 0), claims_about(player))


def test_a_bundle_adds_nothing_to_another_s_agent(bundle, tmp_path):
    opened_bundle = Bundle.of(bundle)
    run = opened_bundle.manifest.run
    path = tmp_path / "board.sqlite"
    with StoreWriter(path) as writer:
        adopt(opened_bundle, writer)
        adopt(opened_bundle, writer)  # Its own again.
        with Store(path) as store:
            before = {unit: store.episodes(unit) for unit in store.units(run)}
        manifest, logs = opened(bundle)
        mine, theirs = manifest["units"]
        failure = {"entry": theirs["entry"], "agent": theirs["agent"], "seed": 0, "reason": "hung"}
        for attack in ("failure", "seed"):
            hostile = opened(bundle)[0]
            if attack == "failure":
                hostile["units"] = [mine]
                hostile["failures"] = [failure]
            else:
                hostile["units"] = [{**mine, "seed": 1}]
            kept = {unit["log"] for unit in hostile["units"]}
            files = sealed(hostile, {name: logs[name] for name in kept})
            with pytest.raises(ALSError, match="another"):
                adopt(Bundle.of(files), writer)
    with Store(path) as store:
        assert {unit: store.episodes(unit) for unit in store.units(run)} == before
        assert store.failures(run) == {}


def test_a_store_knows_what_played_under_a_label(tmp_path):
    run = a_run("made-1")
    path = tmp_path / "store.sqlite"
    with StoreWriter(path) as writer:
        writer.add_run(run)
        unit = Unit(run.key, "near", "mine", 0)
        writer.add_claims(unit, claims_about("sac"))
        writer.add_chunk(unit, a_chunk([1.0], np.random.default_rng(0)))
        writer.add_chunk(
            Unit(run.key, "near", "nobody", 0), a_chunk([1.0], np.random.default_rng(1))
        )
    with Store(path) as store:
        assert store.players(run.key) == {"mine": {"sac"}}
