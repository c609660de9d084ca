"""The options of every command, as the command itself knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from als_engine.cli.app import build_app

MARK = "<!-- commands -->"


def insert_commands(text: str) -> str:
    """Puts the reference where the page has its mark."""
    return text.replace(MARK, reference()) if MARK in text else text


def reference() -> str:
    """All commands as Markdown."""
    return "\n".join(_command(name, command) for name, command in commands())


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with what is typed for it; those of a group one by one."""
    group: Any = typer.main.get_command(build_app())
    for name, command in group.commands.items():
        within = getattr(command, "commands", {})
        if within:
            yield from ((f"{name} {inner}", sub) for inner, sub in within.items())
        else:
            yield name, command


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = " ".join(str(p.metavar or p.name) for p in arguments)
    lines = [f"## als {name}", "", (command.help or "").strip(), ""]
    lines += ["```", f"als {name} {words}".rstrip(), "```", ""]
    rows = [_option(parameter) for parameter in command.params]
    if rows:
        lines += ["| option | default | |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def _option(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    name = str(parameter.metavar or parameter.name) if is_argument else ", ".join(parameter.opts)
    default = parameter.default
    shown = "" if default is None or default is False or is_argument else f"`{default}`"
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|").replace("[", "\\[")
    return f"| `{name}` | {shown} | {text} |"
