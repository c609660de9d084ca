"""Puts the commands together and turns every user-facing error into one line.

Commands import what is heavy inside their functions: `als --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, TextIO

import typer

import als_engine
from als_engine.cli import check as check_command
from als_engine.cli import console
from als_engine.cli import doctor as doctor_command
from als_engine.cli import evaluate as evaluate_command
from als_engine.cli import list as list_command
from als_engine.cli import new as new_command
from als_engine.cli import play as play_command
from als_engine.cli import plugins as plugins_command
from als_engine.cli import preview as preview_command
from als_engine.cli import quickstart as quickstart_command
from als_engine.cli import show as show_command
from als_engine.cli import train as train_command
from als_engine.cli import warm as warm_command
from als_engine.cli.shared import INTERRUPTED
from als_engine.cli.shared.named import by_option
from als_engine.errors import ALSError
from als_engine.plugins.discovery import BUNDLED
from als_engine.plugins.registry import registry
from als_engine.system import json_output

__all__ = ["build_app", "build_command", "main"]

# In the order in which `als --help` shows them: name -> function.
_COMMANDS: dict[str, Callable[..., None]] = {
    "quickstart": quickstart_command.quickstart,
    "list": list_command.list_installed,
    "show": show_command.show,
    "preview": preview_command.preview,
    "play": play_command.play,
    "train": train_command.train,
    "evaluate": evaluate_command.evaluate,
    "new": new_command.new,
    "check": check_command.check,
    "plugins": plugins_command.plugins,
    "warm": warm_command.warm,
    "doctor": doctor_command.doctor,
}

_USER_ERROR = 2


def build_app() -> typer.Typer:
    """Returns the command line with the commands of all plugins."""
    app = typer.Typer(
        name="als",
        pretty_exceptions_enable=False,
        # Help texts of plugins are shown as they stand.
        rich_markup_mode=None,
        # Completion scripts are installed into people's shell files, which nobody asked for.
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_options)
    for name, command in _COMMANDS.items():
        app.command(name)(command)
    registry.add_commands(app)
    for info in app.registered_commands:
        if info.callback is not None:
            info.callback = by_option(info.callback)
    return app


def build_command() -> Any:
    """Returns the command line as click runs it."""
    command: Any = typer.main.get_command(build_app())
    _harden(command)
    for plugin in registry.plugins():
        if plugin.distribution != BUNDLED:
            for name in plugin.commands:
                _let_print(command.commands[name])
    return command


def _let_print(command: Any) -> None:
    """Gives stdout to a command that is not ours while it runs, if it is kept for JSON."""
    invoke = command.invoke

    def invoking(context: Any) -> Any:
        was_kept = json_output.give_back()
        try:
            return invoke(context)
        finally:
            if was_kept:
                json_output.keep()

    command.invoke = invoking


def main() -> None:
    """Runs `als`. A user's error is one line and exit code 2; `ALS_DEBUG=1` shows the traceback."""
    console.prepare()
    try:
        with warnings.catch_warnings():
            # A plugin's warning is for people: one line, without a file name and a line of code.
            warnings.showwarning = _show_warning
            registry.start()
            code = build_command()(prog_name="als", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        line = _one_line(error)
        if line is None or os.environ.get("ALS_DEBUG"):
            raise
        console.say_line(line)
        code = _USER_ERROR
    if code == INTERRUPTED:  # Typer itself turns Ctrl-C within a command into this code.
        console.say_line("Interrupted.")
    sys.exit(code if isinstance(code, int) else 0)


def _harden(command: Any) -> None:
    """Shows the help of a command as it stands, and refuses empty words; so for those in it.

    Click prints help itself, in UTF-8 where the terminal has ASCII. An empty path is the working
    directory to Python, which nobody means: it comes of a variable that is not set.
    """
    get_help = command.get_help
    command.get_help = lambda context: console.fitting(get_help(context))
    for parameter in command.params:
        parameter.process_value = _refusing_empty(parameter)
    for each in getattr(command, "commands", {}).values():
        _harden(each)


def _refusing_empty(parameter: Any) -> Callable[[Any, Any], Any]:
    process = parameter.process_value

    def processed(context: Any, value: Any) -> Any:
        if value == "" or (isinstance(value, list | tuple) and "" in value):
            raise typer.BadParameter("it is empty", context, parameter)
        return process(context, value)

    return processed


def _one_line(error: Exception) -> str | None:
    """Returns what to tell the user, or None for a bug of ours, which keeps its traceback."""
    if isinstance(error, ALSError):
        return f"Error: {error}"
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return f"Error: {error.strerror or error}{where}"
    # Typer keeps its own copy of click private; this method is what its usage errors share.
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "als"
        message = error.format_message()
        stop = "" if message.endswith((".", "?")) else "."
        return f"Error: {message}{stop} Try `{command} --help`."
    return None


def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """ALS Engine: worlds in which avatars see, hear, read, speak and learn."""
    if version:
        console.say(als_engine.__version__)
    elif context.invoked_subcommand is None:
        console.say(context.get_help())


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Stands in for `warnings.showwarning`."""
    console.say_line(f"Warning: {message}")
