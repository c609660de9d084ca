"""Three splits share nothing; one is for choosing, and the test split only reports."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from acme_worlds import Reach
from places import ROOT

from als_engine.errors import ArgumentError
from als_engine.evaluation.splits import CHOOSING, REPORTING, for_choosing
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SPLITS
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS, Behaviour, split_of

IDS = [spec.id for spec in registry.scenarios() if spec.id.startswith("ALS/")]


def test_every_level_is_in_one_split_and_old_splits_have_their_old_levels() -> None:
    assert set(LEVELS) == set(SPLITS) == {"train", "validation", "test"}
    assert (LEVELS["train"], LEVELS["test"]) == (range(10_000), range(10_000, 20_000))
    for one, other in itertools.combinations(LEVELS.values(), 2):
        assert not set(one) & set(other)
    for split, levels in LEVELS.items():
        assert {split_of(levels[0]), split_of(levels[-1])} == {split}
    with pytest.raises(ArgumentError, match="level 30000 is in no split"):
        split_of(30_000)


@pytest.mark.parametrize("id", IDS)
def test_a_bundled_scenario_holds_something_out_for_validation_and_something_else_for_test(
    id: str,
) -> None:
    simulation = simulate(id)
    task: Any = simulation.task
    concepts = getattr(task, "concepts", None)
    company = {
        split: {name for name, one in task.behaviours().items() if one.splits == (split,)}
        for split in SPLITS
    }
    if concepts is not None:
        about = {
            split: {c for level in levels[:100] for c in concepts(simulation.lay_out(level))}
            for split, levels in LEVELS.items()
        }
        assert all(about.values())
        for one, other in itertools.combinations(about.values(), 2):
            assert not one & other
    else:
        assert company["validation"]
    assert bool(company["validation"]) == bool(company["test"])


class OneHeldOut(Reach):
    """Written before there was a validation split."""

    def behaviours(self) -> dict[str, Behaviour]:
        idle = Reach.behaviours(self)["idle"].act
        return {
            "known": Behaviour(idle, splits=("train",)),
            "both": Behaviour(idle, splits=("train", "test")),
            "new": Behaviour(idle, splits=("test",)),
        }


def test_a_task_that_only_holds_out_for_test_meets_trainings_company_in_validation() -> None:
    met = {}
    for split in SPLITS:
        simulation = Simulation(OneHeldOut(3), scenario="Acme/Old-v0", observers=1, split=split)
        drawn = [simulation.company.draw(level)[1:] for level in LEVELS[split][:40]]
        names = list(OneHeldOut(3).behaviours())
        met[split] = {names[i] for i in np.concatenate(drawn)}
    assert met == {
        "train": {"known", "both"}, "validation": {"known", "both"}, "test": {"both", "new"},
    }  # fmt: skip


# -- choosing and reporting ------------------------------------------------------------------------


def test_nothing_is_chosen_by_the_test_split() -> None:
    assert for_choosing(CHOOSING) == "validation"
    assert for_choosing("train") == "train"
    with pytest.raises(
        ArgumentError, match='"test" is for reporting alone; choose by "validation"'
    ):
        for_choosing(REPORTING)
    with pytest.raises(ArgumentError, match='unknown split "tset"'):
        for_choosing("tset")


REPORTS = {
    "als_engine/cli/evaluate.py": "the default of `als evaluate`, which prints figures",
    "als_engine/cli/play.py": "the default of `als play`, which films",
    "als_engine/cli/quickstart.py": "the film of a finished training",
    "als_engine/evaluation/protocol.py": "the default of evaluate(), which returns figures",
    "als_engine/evaluation/splits.py": "its definition, and the refusal to choose by it",
    "als_engine/plugins/specs.py": "the default of a suite's entry: a board reports",
    "als_engine/task.py": "its levels",
    "als_engine/conformance/content.py": "the checks of its levels",
    "als_engine/conformance/splits.py": "the checks that it shares nothing with the others",
    "als_engine/conformance/kinds/suites.py": "the check that a board reports on it",
    "benchmarks/arms.py": "what an encoder's codes tell of levels that it never saw",
    "benchmarks/continual.py": "the figures of finished sequences; --tune takes validation",
    "benchmarks/disturbed.py": "the figures of finished trainings",
    "benchmarks/forecasting.py": "the figures of finished forecasters",
    "benchmarks/meta.py": "the figures of scripted players whose difficulty follows them",
    "benchmarks/grounding.py": "the figures of a finished pretraining",
    "benchmarks/learning.py": "what evaluate() has played, in the file of figures",
    "benchmarks/making.py": "the figures of finished classifiers",
    "benchmarks/making_sounds.py": "the figures of finished makers",
    "benchmarks/making_tracks.py": "the figures of finished forecasters",
    "benchmarks/making_words.py": "the figures of finished makers",
    "benchmarks/measuring/evaluation.py": "how fast episodes are played",
    "benchmarks/privacy.py": "the figures of finished trainings",
    "benchmarks/private_learning.py": "the figures of finished trainings",
    "benchmarks/small.py": "the figures of finished agents",
    "benchmarks/tuning.py": "the figures of finished trainings; rates by validation",
    "benchmarks/teaching.py": "the figures of what was taught and learnt",
    "benchmarks/planning.py": "a finished training, and a planner that learns nothing",
    "benchmarks/tree_search.py": "a search that learns nothing",
    "docs/scripts/readme_images.py": "the film of a finished training",
    "docs/scripts/scenario_films.py": "films of the experts",
    "plugins/als_plugins/crossplay/command.py": "matches of finished agents",
    "plugins/als_plugins/crossplay/exploiting.py": "what a finished best response takes",
    "plugins/als_plugins/experience/records.py": "the part of a dataset that holds its levels",
    "plugins/als_plugins/experiment/config.py": "the default of the stage that prints figures",
    "plugins/als_plugins/explaining/recording.py": "what a finished agent attends to",
    "plugins/als_plugins/forecast/command.py": "the default of `als forecast evaluate`",
    "plugins/als_plugins/forecast/tracks.py": "the part of tracks that holds its levels",
    "plugins/als_plugins/meta/command.py": "the default of `als meta score`, which prints figures",
    "plugins/als_plugins/meta/few_labels.py": "held-out tasks, after everything was chosen",
    "plugins/als_plugins/meta/labelled.py": "which patients belong to its tasks",
    "plugins/als_plugins/meta/scoring.py": "the default of scores of finished agents",
    "plugins/als_plugins/privacy/membership.py": "the part of a dataset that was not learnt from",
    "plugins/als_plugins/pretraining/probes.py": "the figures of a finished pretraining",
    "plugins/als_plugins/pretraining/report.py": "the figures of a finished pretraining",
    "plugins/als_plugins/world_models/modelling.py": "the errors of a finished world model",
    "docs/examples/benchmarl_mappo.py": "an example's report, at its end",
    "docs/examples/cleanrl_ppo.py": "an example's report, at its end",
    "docs/examples/gymnasium_wrappers.py": "an example's report, at its end",
    "docs/examples/minari_dataset.py": "an example's report, at its end",
    "docs/examples/optuna_search.py": "an example's report, at its end",
    "docs/examples/rllib_ppo.py": "an example's report, at its end",
    "docs/examples/sb3_ppo.py": "an example's report, at its end",
    "docs/examples/supersuit_ppo.py": "an example's report, at its end",
    "docs/examples/tianshou_dqn.py": "an example's report, at its end",
    "docs/examples/torchrl_ppo.py": "an example's report, at its end",
}
"""Every file of the library that names the test split, and why that chooses nothing.

Scenarios are left out: they say what their splits hold, and have nothing to choose by.
"""


def naming_the_test_split() -> Iterator[str]:
    """The files with the word as a string of its own, or with the constant that stands for it."""
    for folder in ("als_engine", "plugins", "benchmarks", "docs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if any(
                (isinstance(node, ast.Constant) and node.value == REPORTING)
                or (isinstance(node, ast.Name) and node.id == "REPORTING")
                for node in ast.walk(tree)
            ):
                yield path.relative_to(ROOT).as_posix()


def test_every_place_that_opens_the_test_split_is_known_to_report_only() -> None:
    found = set(naming_the_test_split())
    assert found - set(REPORTS) == set(), (
        "whoever decides anything passes its split through for_choosing(); whoever only reports is "
        "listed in REPORTS, with the reason"
    )
    assert set(REPORTS) - found == set(), "no longer names the test split: take it off the list"
