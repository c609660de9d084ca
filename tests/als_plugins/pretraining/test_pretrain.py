"""A pretraining is interrupted, resumed, shared out, run out of disk, and fed with rubbish."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchrun_pair
from als_command import als
from made_experience import MadeExperience
from places import TESTS
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from with_pretrain import add_pretrain

from als_engine.agents.event_log import EventLog
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.encoders.saving import load_encoder
from als_plugins.experience.dataset import open_experience
from als_plugins.pretraining import pretrain as module
from als_plugins.pretraining.pretrain import pretrain, resume_pretraining

SUPPORT = TESTS / "support"
SMALL = {"width": 16, "depth": 1, "heads": 2, "patch": 4, "features": 16}
ALL = {"masked": 1.0, "temporal": 0.5, "crossmodal": 1.0, "dynamics": 0.5}
MASKED = {"masked": 1.0}
QUICK = {
    "config": SMALL, "objectives": ALL, "steps": 12, "batch": 8,
    "evaluate_every": 4, "checkpoint_every": 5,
}  # fmt: skip


@pytest.fixture
def made(monkeypatch):
    """Experience from memory, for what does not depend on where it comes from."""
    experience = MadeExperience(train=100, validation=30, test=60)
    monkeypatch.setattr(module, "open_experience", lambda folder, sensors: experience)
    return experience


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A quick pretraining from beginning to end, and its folder."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    experience = MadeExperience(train=100, validation=30, test=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "open_experience", lambda folder, sensors: experience)
        return pretrain("-", folder, **QUICK), folder


def weights(folder):
    return load_file(Path(folder) / "encoder" / "weights.safetensors")


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k]) for k in one)


def after(steps):
    """A question that is answered by yes when it has been asked so many times."""
    asked = iter(range(1, 1_000_000))
    return lambda: next(asked) >= steps


def test_stopped_and_resumed_is_to_the_bit_what_it_would_have_been(made, whole, tmp_path):
    uncut, folder = whole
    for stop in (3, 4):  # At step 3, and 4 later, between checkpoints and after one.
        part = pretrain("-", tmp_path / "part", resume=True, should_stop=after(stop), **QUICK)
        assert part.stopped
        assert not part.folder.exists()
        torch.rand(7)  # What others draw in between makes no difference.
    rest = resume_pretraining(tmp_path / "part")
    assert not rest.stopped
    runs = (folder, tmp_path / "part")
    assert same(*map(weights, runs))
    newest = [run / "checkpoints" / "000000000012" / "state.safetensors" for run in runs]
    assert same(*map(load_file, newest))
    assert rest.report == uncut.report
    assert rest.record.loss == uncut.record.loss
    curves = [logged(run, "held_out") for run in runs]
    assert curves[0] == curves[1]
    assert [step for step, _ in curves[0]] == [4, 8, 12]


def test_an_interrupt_after_the_last_step_is_not_lost_and_what_is_left_is_the_report(
    made, tmp_path
):
    taken = []
    part = pretrain(
        "-", tmp_path / "part", should_stop=lambda: len(taken) == 12 or taken.append(1) or False,
        **QUICK,
    )  # fmt: skip
    assert part.stopped
    assert part.record.steps == 12
    assert not (tmp_path / "part" / "report.json").exists()
    rest = resume_pretraining(tmp_path / "part")
    assert not rest.stopped
    assert rest.record.steps == 12


def test_logs_of_a_killed_pretraining_are_cut_at_the_checkpoint(made, tmp_path):
    pretrain("-", tmp_path / "run", should_stop=after(6), **QUICK)
    log = EventLog(tmp_path / "run" / "tensorboard")
    for step in (7, 8, 9):
        log.add({"held_out": -1.0}, step)
    resume_pretraining(tmp_path / "run")
    steps = [
        event.step
        for path in sorted((tmp_path / "run" / "tensorboard").iterdir())
        for event in EventFileLoader(str(path)).Load()
        if event.HasField("summary")
    ]
    assert steps == sorted(steps)
    assert all(value > 0 for _, value in logged(tmp_path / "run", "held_out"))


def logged(run, name):
    """Step and value of a curve, as TensorBoard shows it."""
    log = EventAccumulator(str(run / "tensorboard"))
    log.Reload()
    return [(event.step, event.value) for event in log.Scalars(name)]


def test_the_callers_random_numbers_are_left_alone(made, tmp_path):
    torch.manual_seed(3)
    pretrain("-", tmp_path / "out", **{**QUICK, "steps": 2})
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(3), drawn)


def test_it_ends_early_with_the_weights_of_the_lowest_held_out_loss(made, tmp_path):
    # So fast that it soon gets worse.
    quick = {**QUICK, "steps": 200, "learning_rate": 0.3, "patience": 2, "objectives": MASKED}
    done = pretrain("-", tmp_path / "out", **quick)
    assert done.record.steps < 200
    step = done.report["loss"]["step"]
    assert step == done.record.steps - 2 * QUICK["evaluate_every"]
    shorter = pretrain("-", tmp_path / "again", resume=True, should_stop=after(step), **quick)
    assert shorter.stopped
    newest = load_file(tmp_path / "again" / "checkpoints" / f"{step:012d}" / "state.safetensors")
    for name, array in weights(tmp_path / "out").items():
        assert np.array_equal(newest[f"weights/encoder.{name}"], array)


def test_asking_again_for_what_is_done_does_nothing_and_for_something_else_is_refused(made, whole):
    first, run = whole
    time_of = (run / "report.json").stat().st_mtime_ns
    again = pretrain("-", run, resume=True, **QUICK)
    assert again == first
    assert (run / "report.json").stat().st_mtime_ns == time_of
    with pytest.raises(SavedFileError, match="begun with batch=8, not 16"):
        pretrain("-", run, resume=True, **{**QUICK, "batch": 16})
    with pytest.raises(SavedFileError, match="holds a pretraining"):
        pretrain("-", run, **QUICK)


def test_a_damaged_or_foreign_checkpoint_is_one_line_and_the_one_before_still_serves(
    made, whole, tmp_path
):
    run = tmp_path / "run"
    pretrain("-", run, should_stop=after(11), **QUICK)
    before, newest = sorted((run / "checkpoints").iterdir())
    state = newest / "state.safetensors"
    sound = state.read_bytes()
    for damage in (sound[: len(sound) // 2], b"\x80\x04pickle", b"\xff" * 64, b""):
        state.write_bytes(damage)
        with pytest.raises(SavedFileError, match="to go on from the one before") as caught:
            resume_pretraining(run)
        assert "\n" not in str(caught.value)
        assert str(newest) in str(caught.value)
    state.write_bytes(sound)
    arrays = read_tensors(state)
    moment = next(name for name in arrays if name.endswith("/exp_avg"))
    for change in ({moment: np.zeros((), np.float32)}, {moment: -arrays[moment] + np.float64(0)}):
        write_tensors(state, {**arrays, **change})
        with pytest.raises(SavedFileError, match=r"and should be .* to go on"):
            resume_pretraining(run)
    other = {**QUICK, "config": {**SMALL, "width": 32}}
    pretrain("-", tmp_path / "other", should_stop=after(2), **other)
    foreign = next((tmp_path / "other" / "checkpoints").iterdir()) / "state.safetensors"
    shutil.copy(foreign, state)
    with pytest.raises(SavedFileError, match=r"has no|and should be|has an unexp"):
        resume_pretraining(run)
    shutil.rmtree(newest)
    resume_pretraining(run)
    assert before.name == "000000000010"
    assert same(weights(run), weights(whole[1]))


def test_a_full_disk_while_saving_leaves_the_checkpoint_before(made, tmp_path, monkeypatch):
    run = tmp_path / "run"
    from als_plugins.pretraining import checkpoint

    write = checkpoint.write_tensors

    def full(path, tensors):
        if len(list((run / "checkpoints").iterdir())) > 1:  # One, and the one in the making.
            size = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, size[1]))
            try:
                write(path, tensors)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, size)
        write(path, tensors)

    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        monkeypatch.setattr(checkpoint, "write_tensors", full)
        with pytest.raises(SavedFileError, match="cannot write"):
            pretrain("-", run, **QUICK)
        monkeypatch.undo()
    finally:
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["000000000005"]
    monkeypatch.setattr(module, "open_experience", lambda folder, sensors: made)
    assert not resume_pretraining(run).stopped


def test_a_loss_that_is_not_finite_ends_it_and_no_weights_are_saved(made, tmp_path):
    made.parts["train"].arrays["proprioception"][:] = 1e38
    made.statistics.pop("proprioception")
    with pytest.raises(ArgumentError, match=r"not finite any more at step 1: .*learning rate"):
        pretrain("-", tmp_path / "run", **{**QUICK, "encoder": "mlp", "config": {}})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("room", [1_000, 20_000], ids=["the log", "the checkpoint"])
def test_a_disk_that_is_full_from_the_beginning_is_one_line_and_leaves_nothing(
    made, tmp_path, room
):
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, size[1]))
    try:
        with pytest.raises(SavedFileError, match=r"^cannot write [^\n]*File too large$"):
            pretrain("-", tmp_path / "run", **{**QUICK, "evaluate_every": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"objectives": {"maskd": 1.0}}, 'unknown objective "maskd"; did you mean "masked"'),
        ({"objectives": {}}, "name at least one objective"),
        ({"objectives": {"masked": -1.0}}, "has to be above 0"),
        ({"batch": 1}, "batch: "),
        ({"config": {"widht": 3}}, "widht"),
        ({"encoder": "atention"}, 'did you mean "attention"'),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_writes_nothing(made, tmp_path, change, says):
    with pytest.raises((ArgumentError, LookupError)) as caught:
        pretrain("-", tmp_path / "run", **{**QUICK, **change})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_too_little_experience_is_said(monkeypatch, tmp_path):
    experience = MadeExperience(train=5, validation=0, test=0)
    monkeypatch.setattr(module, "open_experience", lambda folder, sensors: experience)
    with pytest.raises(ArgumentError, match="has 1 runs of 5 consecutive steps"):
        pretrain("-", tmp_path / "run", **QUICK)


def test_without_anything_held_out_the_last_weights_are_saved(monkeypatch, tmp_path):
    experience = MadeExperience(train=50, validation=0, test=0)
    monkeypatch.setattr(module, "open_experience", lambda folder, sensors: experience)
    done = pretrain("-", tmp_path / "run", **QUICK)
    assert done.record.loss is None
    assert done.report["loss"] == {"held_out": None, "step": 12}
    newest = load_file(tmp_path / "run" / "checkpoints" / f"{12:012d}" / "state.safetensors")
    for name, array in weights(tmp_path / "run").items():
        assert np.array_equal(newest[f"weights/encoder.{name}"], array)


def test_two_processes_end_with_the_weights_of_one(tmp_path):
    words = [str(SUPPORT), str(tmp_path), ",".join(ALL)]
    script = SUPPORT / "torchrun_pair.py"
    subprocess.run(
        [sys.executable, script, *words],
        check=True, capture_output=True, timeout=100, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    torchrun_pair.main(*words)
    one, first, second = (
        load_file(tmp_path / f"{name}.safetensors") for name in ("0-of-1", "0-of-2", "1-of-2")
    )
    assert same(first, second)

    def joined(found, kind):
        return np.concatenate([found[k].ravel() for k in one if k.startswith(kind)]).astype(float)

    gradients, weights = (
        [joined(found, kind) for found in (one, first)] for kind in ("gradients/", "weights/")
    )
    assert np.linalg.norm(gradients[0] - gradients[1]) < 1e-3 * np.linalg.norm(gradients[0])
    # Two steps of Adam move weights by thousandths, even where a gradient is a rounding error.
    assert np.abs(weights[0] - weights[1]).mean() < 5e-6


# -- on collected experience ------------------------------------------------------------------


def command(dataset, out, *words):
    add_pretrain()
    pairs = [f"--set={name}={value}" for name, value in SMALL.items()]
    return als("pretrain", dataset, "--out", out, "--batch", 8, *pairs, *words, columns=200)


def test_the_command_saves_an_encoder_that_loads_and_says_what_it_has_learnt(dataset, tmp_path):
    run = tmp_path / "run"
    words = ["--objective", "masked=1,dynamics=0.5", "--objective", "crossmodal"]
    result = command(dataset, run, *words, "--steps", 6, "--evaluate-every", 3)
    assert result.code == 0, result.err
    assert "Pretrained 6 steps" in result.out
    assert f"--set pretrained={run}" in result.out
    assert "hidden words of text guessed" in result.out
    assert "similarity, same meaning" in result.out
    report = json.loads((run / "report.json").read_text())
    assert set(report["retrieval"]) == {"rgb to text", "text to rgb"}
    assert report["retrieval"]["rgb to text"]["pool"] > 1
    assert {"pretrained", "random", "observation"} < set(report["probes"]["nearest_prop"])
    assert [step for step, _ in logged(run, "held_out")] == [3, 6]

    experience = open_experience(dataset)
    encoder, record = load_encoder(run, experience.observation_space)
    assert record.pretraining.scenarios == list(experience.scenarios)
    assert record.pretraining.objectives == {"masked": 1.0, "dynamics": 0.5, "crossmodal": 1.0}
    assert record.pretraining.samples == 48
    for name, tensor in encoder.state_dict().items():
        assert np.array_equal(tensor.numpy(), weights(run)[name])


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_go_on(dataset, tmp_path):
    run = tmp_path / "run"
    pairs = [f"--set={name}={value}" for name, value in SMALL.items()]
    words = ["pretrain", dataset, "--out", run, "--steps", 100_000, "--batch", 4, *pairs]
    process = subprocess.Popen(
        [sys.executable, SUPPORT / "with_pretrain.py", *map(str, words), "--checkpoint-every=2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 90
    while not list(run.glob("checkpoints/0*")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"als pretrain --resume --out {run}" in err
    assert "Traceback" not in err
    assert not (run / "encoder").exists()
    assert 1 <= len(list(run.glob("checkpoints/0*"))) <= 2

    add_pretrain()
    result = als("pretrain", "--resume", "--out", run, "--batch", 64)
    assert result.code == 2
    assert "begun with batch=4, which --resume cannot change" in result.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--sensors", "rgb,sonar"], "sonar"),
        (["--sensors", "rgb", "--objective", "crossmodal"], "there is only rgb"),
        (["--encoder", "graph-attention", "--sensors", "rgb"], "graph-attention"),
    ],
)
def test_a_dataset_with_other_sensors_is_one_line(dataset, tmp_path, words, says):
    add_pretrain()
    result = als("pretrain", dataset, "--out", tmp_path / "run", *words)
    assert result.code == 2
    assert says in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_what_is_no_dataset_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    add_pretrain()
    result = als("pretrain", tmp_path / "empty", "--out", tmp_path / "run")
    assert result.code == 2
    assert len(result.err.strip().splitlines()) == 1
    assert str(tmp_path / "empty") in result.err
    assert not (tmp_path / "run").exists()
