"""What is stored of a bundle is what was checked, whatever lies in its folder by then."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from learn_worlds import learn
from made_bundles import SUITE, Stages, honest

from als_bench.checking.adoption import adopt
from als_bench.checking.bundle import Bundle
from als_bench.checking.bundle_execution import execute_bundle
from als_bench.checking.verify import verify
from als_bench.results.store import Store, StoreWriter
from als_engine.errors import SavedFileError

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")


@pytest.fixture(scope="module")
def two(learn, tmp_path_factory):
    """Two honest bundles of one run."""
    stages = Stages()
    folders = []
    for luck in (1, 2):
        folder = tmp_path_factory.mktemp("bundle")
        for name, data in honest(np.random.default_rng([29, luck]), stages).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        folders.append(folder)
    stages.close()
    return folders


@pytest.fixture
def exchanged(two, tmp_path):
    """The verdict on the first bundle, in whose folder the second one lies by now."""
    place = tmp_path / "bundle"
    shutil.copytree(two[0], place)
    verdict = verify(place, SUITE)
    assert verdict.holds, verdict.refusals
    shutil.rmtree(place)
    shutil.copytree(two[1], place)
    assert Bundle.open(place).hash != verdict.bundle
    return place, verdict


def test_a_bundle_that_was_exchanged_after_it_was_replayed_is_not_stored(exchanged, tmp_path):
    _, verdict = exchanged
    assert verdict.opened.hash == verdict.bundle
    path = tmp_path / "board.sqlite"
    with StoreWriter(path) as writer, pytest.raises(SavedFileError, match=r"is not the one of"):
        adopt(verdict.opened, writer)
    with Store(path) as store:
        run = verdict.manifest.run
        assert [store.episodes(unit) for unit in store.units(run)] in ([], [[]])
        assert store.verdicts(run) == []


def test_nor_is_it_executed(exchanged):
    place, verdict = exchanged
    with pytest.raises(SavedFileError, match=r"was changed|is not the one of"):
        execute_bundle(place, bytes(32), checked=verdict.opened)


def test_what_is_stored_are_the_results_that_were_replayed(two, tmp_path):
    verdict = verify(two[0], SUITE)
    path = tmp_path / "board.sqlite"
    with StoreWriter(path) as writer:
        adopt(verdict.opened, writer)
    with Store(path) as store:
        for unit in verdict.manifest.units:
            (stored,) = [
                each for each in store.units(verdict.manifest.run) if each.agent == unit.agent
            ]
            assert tuple(store.episodes(stored)) == verdict.opened.log(unit).results
