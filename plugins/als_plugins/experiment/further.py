"""Further stages of an experiment: commands of `als`, with what earlier stages have left behind.

A table `[[then]]` names a command that prints JSON, bundled or a plugin's. It runs in a process of
its own, exactly as the command line would run it, and writes into the folder of its stage.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.errors import ALSError, ArgumentError, unknown
from als_engine.system.files import make_folder, write_text
from als_plugins.experiment.config import OUTPUTS

if TYPE_CHECKING:
    from als_plugins.experiment.actions import Context, Reporter, Summary
    from als_plugins.experiment.config import Experiment, ThenStage

__all__ = ["act", "check", "is_there"]

PRINTED: Final = "output.json"
"""What the command has printed, in the folder of its stage."""

MAX_PRINTED: Final = 1 << 26
"""The most that a command may print, bytes."""

_PROGRAM: Final = "import sys; sys.argv[0] = 'als'; from als_engine.cli import main; main()"


def check(experiment: Experiment, path: Path) -> None:
    """Looks up every command, option and earlier stage that the file names, and runs nothing.

    Raises:
        ArgumentError: there is no such command, it prints no JSON, or it does not take what it
            would be given; names the table.
    """
    if not experiment.then:
        return
    known = {name: Path(name) for name in OUTPUTS if getattr(experiment, name) is not None}
    for stage in experiment.then:
        try:
            command = _find(stage.run.split())
            words = _words(stage, command, experiment, known, Path())
            command.make_context(stage.run, words)
        except Exception as error:
            if isinstance(error, ALSError):
                message = str(error)
            elif hasattr(error, "format_message"):  # Click's own errors; see `als_engine.cli.app`.
                message = error.format_message()
            else:
                raise
            raise ArgumentError(f"{path}: then.{stage.label}: {message}") from None
        known[stage.label] = Path(stage.label)


def act(context: Context, stage: ThenStage, reporter: Reporter) -> Summary:
    """Runs the command, or goes on with it; returns the plain values among what it has printed.

    The command shows its progress itself, and the reporter hears nothing.

    Raises:
        ArgumentError: it failed; it has said why.
        KeyboardInterrupt: it was interrupted.
    """
    from als_engine.cli.shared import INTERRUPTED

    command = _find(stage.run.split())
    make_folder(context.folder)
    words = _words(stage, command, context.experiment, context.outputs, context.folder)
    # Its progress and its errors are for people: they go where ours go.
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *stage.run.split(), *words], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            printed = process.stdout.read(MAX_PRINTED + 1)
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if code:
        raise ArgumentError(f"then.{stage.label}: `als {stage.run}` failed, as it says above")
    try:
        if len(printed) > MAX_PRINTED:
            raise ValueError("more than 64 MiB")
        found = json.loads(printed)
    except ValueError as error:
        raise ArgumentError(f"then.{stage.label}: it has printed no JSON: {error}") from None
    write_text(context.folder / PRINTED, json.dumps(found, indent=2) + "\n")
    return _plain(found)


def is_there(context: Context, stage: ThenStage) -> bool:
    """Whether what it has printed, and what it has written, can still be found."""
    command = _find(stage.run.split())
    writes = any(parameter.name == "out" for parameter in command.params)
    files = [PRINTED, *([stage.out] if writes else [])]
    return all((context.folder / name).exists() for name in files)


@cache
def _als() -> Any:
    """The command line with all plugins; making it takes a while."""
    from als_engine.cli.app import build_command

    return build_command()


def _find(words: Iterable[str]) -> Any:
    """The command that is named so.

    Raises:
        ArgumentError: there is none, it needs another word, or it prints no JSON.
    """
    found = _als()
    for word in words:
        commands: Mapping[str, Any] = getattr(found, "commands", {})
        if word not in commands:
            raise ArgumentError(unknown("command", word, sorted(commands)))
        found = commands[word]
    if inner := getattr(found, "commands", None):
        raise ArgumentError(f"run: needs another word, one of {', '.join(sorted(inner))}")
    if "as_json" not in {parameter.name for parameter in found.params}:
        raise ArgumentError("run: this command has no --json, so it cannot be a stage")
    return found


def _words(
    stage: ThenStage,
    command: Any,
    experiment: Experiment,
    outputs: Mapping[str, Path],
    folder: Path,
) -> list[str]:
    """What stands after the command's name on the command line.

    Raises:
        ArgumentError: an option or an earlier stage is unknown.
    """
    options = {
        name: parameter
        for parameter in command.params
        for name in (option.removeprefix("--") for option in parameter.opts)
        if parameter.param_type_name == "option"
    }
    words = [_filled(word, experiment, outputs) for word in stage.inputs]
    for key, value in stage.options.items():
        name = key.replace("_", "-")
        if name not in options or name in ("help", "json", "out"):
            taken = sorted(set(options) - {"help", "json", "out"})
            raise ArgumentError(unknown("option", key, taken))
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, bool):
                words += [f"--{name}"] * each
            else:
                words += [f"--{name}", _filled(str(each), experiment, outputs)]
    if "out" in options:
        words += ["--out", str(folder / stage.out)]
    return [*words, "--json"]


def _filled(word: str, experiment: Experiment, outputs: Mapping[str, Path]) -> str:
    """A word with the folders of earlier stages in it: "{train}" is what `[train]` has left.

    Raises:
        ArgumentError: no earlier stage is called so.
    """
    before, brace, rest = word.partition("{")
    name, closed, after = rest.partition("}")
    if not (brace and closed):
        return experiment.path(word)
    if name not in outputs:
        raise ArgumentError(unknown("earlier stage", name, outputs))
    return f"{before}{outputs[name]}{after}"


def _plain(found: object) -> Summary:
    """The numbers and short texts of a JSON object; of a list, how long it is."""
    if isinstance(found, list):
        return {"results": len(found)}
    if not isinstance(found, dict):
        return {}
    plain = {
        str(name): value
        for name, value in found.items()
        if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= 60)
    }
    return dict(list(plain.items())[:8])
