"""Checks what is not ours in a process of its own, which may hang, end or write what it likes.

The process writes what it finds into a folder, a line of JSON for each check that begins or ends.
What it writes to its standard output is kept there as well, and where it hung or crashed.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from als_engine.conformance.case import Options
from als_engine.conformance.kinds.subjects import CHECKS, Job, Thing, run
from als_engine.conformance.places import Own
from als_engine.conformance.report import Failure, Report, Result
from als_engine.errors import ALSError, ArgumentError
from als_engine.plugins.discovery import find_installed
from als_engine.plugins.hookspecs import PROJECT
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteSpec
from als_engine.system import host

__all__ = ["PATIENCE", "Ending", "check_alone", "load_alone"]

PATIENCE: Final = 120.0
"""Seconds that a check may take in a process of its own."""

_GRACE: Final = 30.0
"""More seconds for the process itself: it starts, and it writes down where it hangs."""

_CRASHES: Final = 3
"""Processes that are ended by what they check before the rest is left."""

_MOST_NOISE: Final = 200
"""Characters of what was written to the standard output that are shown."""

_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from als_engine.conformance.kinds.alone import main; main(sys.argv[1])"
)

_LINE: Final = r'File "(.+)", line (\d+),? in (\S+)'
"""A line of a traceback, as Python or faulthandler writes it."""

_HEAVY: Final = ("torch", "stable_baselines3", "numba", "pybullet", "mujoco", "pettingzoo", "ray")
"""Libraries that nobody's `import als_engine` should bring in."""

QUIET: Final = "Nothing is written to the standard output past Python."


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        reason: in one line; empty when it came to its end.
        place: the last line of the checked code that was running.
        noise: what it wrote to its standard output.
    """

    reason: str = ""
    place: str = ""
    noise: str = ""


@dataclass
class _Found:
    """What the processes have found of one thing."""

    results: list[Result] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    noise: str = ""
    crashes: list[tuple[str, Failure]] = field(default_factory=list)


def check_alone(
    job: Job, own: Own, on_result: Callable[[Result], None], patience: float = PATIENCE
) -> Report:
    """Checks a thing in processes of its own; one that ends too early is a failure of its check.

    Args:
        job: what is checked.
        own: the code that belongs to it, where it is known.
        on_result: called after each check.
        patience: seconds that a check may take.

    Raises:
        ALSError: the options are wrong.
    """
    left, found = job.names(), _Found()

    def note(result: Result) -> None:
        found.results.append(result)
        on_result(result)

    while left and len(found.crashes) < _CRASHES:
        left = _one_process(job, left, own, patience, found, note)
    for name in left:
        teller = found.crashes[0][0]
        note(Result(name, _promise(job, name), (), "", 0.0, teller, None))
    if found.noise:
        text = f"it writes {found.noise[:_MOST_NOISE]!r}"
        note(Result("quiet", QUIET, (Failure(text),), "", 0.0, "", 0.0))
    return Report(job.thing.id, tuple(found.results), found.figures, job.thing.kind)


def _one_process(
    job: Job, names: list[str], own: Own, patience: float, found: _Found,
    note: Callable[[Result], None],
) -> list[str]:  # fmt: skip
    """Runs checks in one process; returns those that are still to be run."""
    with tempfile.TemporaryDirectory(prefix="als-check-") as name:
        folder, left, begun = Path(name), list(names), ""
        process = start(folder, {"job": asdict(job), "names": names, "patience": patience})
        for line in _lines(process, folder, patience * len(names) + _GRACE):
            if "error" in line:
                raise ArgumentError(line["error"])
            if "begins" in line:
                begun = line["begins"]
            if "result" in line:
                note(Result.from_dict(line["result"]))
                left, begun = left[1:], ""
            found.figures.update(line.get("figures", {}))
        ending = _ending(process, folder, own)
        found.noise = found.noise or ending.noise
    if not left:
        return []
    # Before its first check it was making what is to be checked.
    failure, at = Failure(ending.reason or "it ended the process", ending.place), begun or left[0]
    told = next((name for name, each in found.crashes if each == failure), "")
    found.crashes.append((told or at, failure))
    failures = () if told else (failure,)
    note(Result(at, _promise(job, at), failures, "", 0.0, told, None if told else 0.0))
    return left[1:]


def _promise(job: Job, name: str) -> str:
    return (CHECKS[job.thing.kind][name].__doc__ or "").partition("\n")[0]


def load_alone(
    folder: Path, distribution: str, own: Own, patience: float
) -> tuple[list[dict[str, Any]], Ending]:
    """Imports a distribution's entry points and classes in a process that loads no other plugin.

    Args:
        folder: an empty one.
        distribution: which.
        own: its code.
        patience: seconds that each import may take.

    Returns:
        What was found, and how the process ended.
    """
    process = start(folder, {"load": distribution, "patience": patience}, ALS_DISABLE_PLUGINS="1")
    lines = list(_lines(process, folder, patience + _GRACE))
    for line in lines:
        for found in line.values():
            found["place"] = _last_place(found.pop("traceback"), own)
    ending = _ending(process, folder, own)
    said = [line.partition(": ")[2] for line in _read(folder / "stderr").splitlines()
            if line.startswith(f"{distribution}: ")]  # fmt: skip
    return lines, replace(ending, noise="\n".join(said) or ending.noise)


def start(folder: Path, job: dict[str, Any], **environment: str) -> subprocess.Popen[bytes]:
    """Starts a process on a job, with a folder for what it finds."""
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    path = json.dumps([entry or os.getcwd() for entry in sys.path])
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-c", _START, str(folder), path],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **environment},
            **host.own_group(),
        )


def _lines(
    process: subprocess.Popen[bytes], folder: Path, limit: float
) -> Iterator[dict[str, Any]]:
    """What the process writes down, as soon as it does; ends it `limit` s after the last news."""
    file, read, until = folder / "found", 0, time.monotonic() + limit
    ended = False
    try:
        while not ended:
            time.sleep(0.05)
            if time.monotonic() > until:
                (folder / "late").touch()
                host.end_group(process)
            ended = process.poll() is not None
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            whole = text[read : text.rfind("\n") + 1]
            read += len(whole)
            if whole:
                until = time.monotonic() + limit
            yield from map(json.loads, whole.splitlines())
    finally:  # Ctrl-C, for instance, is this process's alone.
        host.end_group(process)


def _ending(process: subprocess.Popen[bytes], folder: Path, own: Own) -> Ending:
    """How a process has ended, what it wrote, and where it was in the checked code."""
    code, trace = process.wait(), _read(folder / "trace")
    if "Timeout" in trace or (folder / "late").exists():
        patience = json.loads(_read(folder / "job.json"))["patience"]
        reason = f"it hangs: it was not done after {patience:g} s"
    elif (folder / "done").exists():
        reason = ""
    else:
        how = _signal_name(-code) if code < 0 else f"exit code {code}"
        reason = f"it ends the process ({how})"
    return Ending(reason, _place(trace, own), _read(folder / "stdout").strip())


def _place(trace: str, own: Own) -> str:
    """The innermost line of the checked code in what faulthandler has written."""
    current = trace[max(0, trace.find("(most recent call first)")) :]
    if "Current thread" in trace:
        current = trace[trace.find("Current thread") :]
    for file, line, function in re.findall(_LINE, current):
        if place := own.of_line(file, int(line), function):
            return place
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def main(folder: str) -> None:
    """Runs the job of a folder in this process, and ends it."""
    where = Path(folder)
    job = json.loads((where / "job.json").read_text(encoding="utf-8"))
    trace = (where / "trace").open("w", encoding="utf-8")
    faulthandler.enable(trace)
    with (where / "found").open("a", encoding="utf-8", buffering=1) as found:

        def tell(**line: Any) -> None:
            print(json.dumps(line), file=found, flush=True)

        def begin(name: str) -> None:
            faulthandler.dump_traceback_later(job["patience"], exit=True, file=trace)
            tell(begins=name)

        if "load" in job:

            def wait() -> None:
                faulthandler.dump_traceback_later(job["patience"], exit=True, file=trace)

            _load(job["load"], tell, wait)
        else:
            _main(job, tell, begin)
    (where / "done").touch()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(0)  # Not waiting for threads: all that was asked is written down.


def _load(distribution: str, tell: Callable[..., None], wait: Callable[[], None]) -> None:
    """Imports the entry points of a distribution and the classes of its specs.

    `wait` is called before each of them: the patience is for one import, and not for all.
    """
    for plugin, point in find_installed(PROJECT).plugins:
        if plugin.distribution != distribution:
            continue
        wait()
        before, began = set(sys.modules), time.perf_counter()
        registry.load_alone(plugin, point)
        seconds, new = time.perf_counter() - began, set(sys.modules) - before
        heavy = [name for name in _HEAVY if name in new]
        about = {"name": plugin.name, "module": plugin.module, "heavy": heavy}
        tell(loaded={**about, "seconds": seconds, "error": plugin.error,
                     "traceback": plugin.traceback})  # fmt: skip
        for spec in plugin.specs:
            if isinstance(spec, SuiteSpec):
                continue  # It names no class.
            error, trace = "", ""
            wait()
            try:
                registry.load(spec)
            except ALSError as raised:
                error, trace = str(raised), "".join(traceback.format_exception(raised))
            tell(**{"class": {"id": spec.id, "error": error, "traceback": trace}})


def _last_place(trace: str, own: Own) -> str:
    """The innermost line of the checked code in a traceback."""
    found = ""
    for file, line, function in re.findall(_LINE, trace):
        found = own.of_line(file, int(line), function) or found
    return found


def _main(job: dict[str, Any], tell: Callable[..., None], begin: Callable[[str], None]) -> None:
    given, names = job["job"], job["names"]
    try:
        begin(names[0])
        what = Job(
            Thing(**given["thing"]), Options(**given["options"]), given["arguments"], given["on"]
        )
        report = run(what, names, lambda result: tell(result=result.as_dict()), begin)
    except ALSError as error:
        tell(error=str(error))
    else:
        tell(figures=dict(report.figures))
