"""No tampered bundle is accepted, however well it is sealed again; no honest one is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learn_worlds import learn
from made_bundles import (
    EPISODES,
    SUITE,
    Stages,
    close,
    honest,
    opened,
    rekey,
    retotal,
    rows,
    sealed,
)

from als_bench.checking.bundle import Bundle
from als_bench.checking.manifest import MANIFEST, SEAL
from als_bench.checking.verify import verify_bundle
from als_engine.errors import SavedFileError

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

TIMES = 20
COLUMNS = ("episode", "seed", "level", "length", "total", "success", "terminated")


@pytest.fixture(scope="module")
def stages(learn):
    kept = Stages()
    yield kept
    kept.close()


@pytest.fixture(scope="module")
def bundles(stages):
    """Some honest bundles to tamper with."""
    return [honest(np.random.default_rng([1, i]), stages) for i in range(5)]


def refusals(files, stages, key=("any",)):
    """What is said of a bundle; empty when it is accepted."""
    try:
        bundle = Bundle.of(files)
    except SavedFileError as error:
        return [str(error)]
    return list(verify_bundle(bundle, SUITE, stage=stages[key]).refusals)


def a_unit(rng, manifest, logs):
    unit = manifest["units"][rng.integers(len(manifest["units"]))]
    return unit, logs[unit["log"]]


# Each changes one thing, and whatever else a careful forger would change with it.


def score(rng, manifest, logs):
    unit, log = a_unit(rng, manifest, logs)
    better = float(rng.uniform(0.001, 2.0))
    way = rng.integers(4)
    if way == 0:
        name = ("total", "success", "length", "normalized")[rng.integers(4)]
        unit["scores"][name] += better
        unit["keep"] = True
    elif way == 1:
        log["total"][rng.integers(EPISODES)] += better
    elif way == 2:
        episode = rng.integers(EPISODES)
        log["success"][episode] = 1 - log["success"][episode]
    else:
        # Easier yardsticks, for everybody who looks at this bundle alone.
        manifest["suite"]["entries"][0]["expert"] -= min(better, 1.9)
        rekey(manifest)


def reward(rng, manifest, logs):
    _, log = a_unit(rng, manifest, logs)
    step = rng.integers(len(log["rewards"]))
    if rng.integers(2):
        log["rewards"][step] += rng.uniform(1e-12, 5.0)
    else:
        log["rewards"][step] = np.nextafter(log["rewards"][step], np.inf)
    retotal(log)


def action(rng, manifest, logs):
    _, log = a_unit(rng, manifest, logs)
    step = rng.integers(len(log["actions"]))
    log["actions"][step] = (log["actions"][step] + rng.integers(1, 10)) % 10


def seed(rng, manifest, logs):
    unit, log = a_unit(rng, manifest, logs)
    other = int(rng.integers(1, 1_000))
    way = rng.integers(3)
    if way == 0:
        log["seed"][rng.integers(EPISODES)] += other
    elif way == 1:
        log["seed"] += other
        unit["first_seed"] += other
    else:
        unit["seed"] += other


def length(rng, manifest, logs):
    _, log = a_unit(rng, manifest, logs)
    episode = rng.integers(EPISODES)
    at = rows(log, episode)
    way = rng.integers(3)
    if way == 0:
        log["length"][episode] += (-1, 1)[rng.integers(2)]
        return
    for name in ("actions", "rewards", "chain"):
        parts = log[name][: at.start], log[name][at], log[name][at.stop :]
        middle = parts[1][:-1] if way == 1 else np.concatenate([parts[1], parts[1][-1:]])
        log[name] = np.concatenate([parts[0], middle, parts[2]])
    log["length"][episode] += 1 if way == 2 else -1
    log["metric/steps"][episode] = log["length"][episode]
    retotal(log)


def keep(log, order):
    """Makes a log one of these of its episodes."""
    parts = [rows(log, episode) for episode in order]
    for name in ("actions", "rewards", "chain"):
        log[name] = np.concatenate([log[name][part] for part in parts])
    for name in log:
        if name in COLUMNS or name.startswith("metric/"):
            log[name] = log[name][list(order)]


def renumber(rng, log):
    """Hides what was done to the order, more or less well."""
    if rng.integers(2):
        log["episode"] = np.arange(len(log["episode"]))
    if rng.integers(2):
        log["seed"] = np.arange(len(log["seed"]))


def dropped(rng, manifest, logs):
    unit, log = a_unit(rng, manifest, logs)
    gone = rng.integers(EPISODES)
    keep(log, [i for i in range(EPISODES) if i != gone])
    renumber(rng, log)
    if rng.integers(2):
        unit["episodes"] = EPISODES - 1


def doubled(rng, manifest, logs):
    unit, log = a_unit(rng, manifest, logs)
    order = list(range(EPISODES))
    one, other = rng.permutation(EPISODES)[:2].tolist()
    if rng.integers(2):
        order[one] = other
    else:
        order.insert(one, other)
        unit["episodes"] = len(order) if rng.integers(2) else EPISODES
    keep(log, order)
    renumber(rng, log)


def reordered(rng, manifest, logs):
    _, log = a_unit(rng, manifest, logs)
    order = list(range(EPISODES))
    while order == sorted(order):
        order = rng.permutation(EPISODES).tolist()
    keep(log, order)
    renumber(rng, log)


def config(rng, manifest, logs):
    unit, _ = a_unit(rng, manifest, logs)
    way = rng.integers(6)
    if way == 0:
        unit["player"]["config"]["learning_rate"] = float(rng.uniform())
    elif way == 1:
        unit["arguments"]["max_episode_steps"] += int(rng.integers(1, 9))
    elif way == 2:
        unit["arguments"]["shaped"] = True
    elif way == 3:
        unit["player"]["agent"] = "expert"
    elif way == 4:
        unit["split"] = "train"
    else:
        entry = manifest["suite"]["entries"][0]
        entry["arguments"]["reach"] = unit["arguments"]["reach"] = float(rng.uniform(0.6, 5.0))
        rekey(manifest)


def code(rng, manifest, logs):
    name = sorted(manifest["code"])[rng.integers(len(manifest["code"]))]
    if rng.integers(4):
        manifest["code"][name] = hashlib.sha256(rng.bytes(8)).hexdigest()
    else:
        manifest["code"][f"acme-{rng.integers(100)}"] = manifest["code"].pop(name)
    rekey(manifest)


def log_swapped(rng, manifest, logs):
    one, other = manifest["units"]
    if rng.integers(2):
        one["log"], other["log"] = other["log"], one["log"]
    elif rng.integers(2):
        logs[one["log"]], logs[other["log"]] = logs[other["log"]], logs[one["log"]]
    else:
        logs[one["log"]] = {name: a.copy() for name, a in logs[other["log"]].items()}


def version(rng, manifest, logs):
    names = sorted(manifest["versions"])
    name = names[rng.integers(len(names))]
    way = rng.integers(3)
    if way == 0:
        manifest["versions"][name] += f".{rng.integers(100)}"
    elif way == 1:
        del manifest["versions"][name]
    else:
        entry = manifest["suite"]["entries"][0]
        unit = manifest["units"][rng.integers(2)]
        unit["scenario"] = f"Learn/Reach-v{rng.integers(1, 50)}"
        if rng.integers(2):
            entry["scenario"] = unit["scenario"]
    rekey(manifest)


MUTATIONS = (
    score,
    reward,
    action,
    seed,
    length,
    dropped,
    doubled,
    reordered,
    config,
    code,
    log_swapped,
    version,
)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_bundle_that_was_changed_and_sealed_again_is_refused(mutate, bundles, stages):
    for i in range(TIMES):
        rng = np.random.default_rng([2, i])
        files = bundles[i % len(bundles)]
        manifest, logs = opened(files)
        mutate(rng, manifest, logs)
        changed = sealed(manifest, logs)
        assert changed != files, f"{i} has changed nothing"
        found = refusals(changed, stages)
        assert found, f"{i} was accepted"
        assert all("\n" not in line and len(line) < 700 for line in found)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_bundle_that_was_changed_and_not_sealed_again_is_refused(mutate, bundles, stages):
    files = bundles[0]
    manifest, logs = opened(files)
    mutate(np.random.default_rng(3), manifest, logs)
    changed = sealed(manifest, logs)
    for name in files:
        if changed.get(name, files[name]) != files[name]:
            assert refusals({**files, name: changed[name]}, stages)


def test_what_is_sealed_again_unchanged_is_accepted(bundles, stages):
    """So it is the change that the other tests see refused."""
    for files in bundles:
        again = sealed(*opened(files))
        assert again == files
        assert not refusals(again, stages)


@pytest.mark.parametrize("mode", ["discrete", "continuous"])
@pytest.mark.parametrize("entry", SUITE.entries, ids=lambda entry: entry.name)
def test_an_honest_bundle_is_accepted(entry, mode, stages):
    for i in range(12):  # With three entries and two modes more than seventy in all.
        files = honest(np.random.default_rng([4, i]), stages, entry, (f"stroller-{i}",), mode)
        assert refusals(files, stages, (entry.name, mode)) == []


@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_a_bundle_with_any_byte_changed_is_refused(data, bundles, stages):
    files = bundles[0]
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    changed = bytearray(files[name])
    changed[at] ^= data.draw(st.integers(1, 255))
    assert refusals({**files, name: bytes(changed)}, stages)


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_bundle_that_was_cut_or_lengthened_is_refused(data, bundles, stages):
    files = bundles[0]
    name = data.draw(st.sampled_from(sorted(files)))
    cut = data.draw(st.integers(0, len(files[name]) - 1))
    for content in (files[name][:cut], files[name] + b"\0" * (1 + cut % 9)):
        assert refusals({**files, name: content}, stages)
    others = {key: value for key, value in files.items() if key != name}
    assert refusals(others, stages)
    assert refusals({**files, f"logs/{cut}.safetensors": files[name]}, stages)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_manifest_with_any_field_changed_is_refused(data, bundles, stages):
    """Sealed again; but for what nobody can check: the machine, and how the training went."""
    manifest, _ = opened(bundles[0])
    changes = [
        (path, value)
        for path, now in leaves(manifest, ())
        if path[0] not in ("machine", "failures")
        for value in (0, 1, -1, 0.5, "", "x", None, True, [], {}, 1 << 70, [[[]]])
        if (type(value), value) != (type(now), now)
    ]
    (*path, last), value = changes[data.draw(st.integers(0, len(changes) - 1))]
    parent = manifest
    for key in path:
        parent = parent[key]
    parent[last] = value
    packed = {name: data for name, data in bundles[0].items() if name not in (MANIFEST, SEAL)}
    assert refusals(close(manifest, packed), stages)


def leaves(value, path):
    """Where the leaves of nested JSON are, and what is there."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, (dict, list)) and inner:
            yield from leaves(inner, (*path, key))
        yield (*path, key), inner
