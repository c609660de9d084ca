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
    words = " ".join(_typed(argument) for argument in arguments)
    lines = [f"## als {name}", "", (command.help or "").strip(), ""]
    lines += ["```", f"als {name} {words}".rstrip(), "```", ""]
    rows = [_option(parameter) for parameter in command.params]
    if rows:
        lines += ["| option | default | meaning |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def _typed(argument: Any) -> str:
    """An argument as a usage line has it: in brackets where it may be left out."""
    name = str(argument.metavar or argument.name)
    name = name.strip("[]{}.").upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    name = _typed(parameter) if is_argument else ", ".join(parameter.opts)
    default = parameter.default
    shown = "" if default is None or default is False or is_argument else f"`{default}`"
    text = getattr(parameter, "help", None) or ""
    for sign, written in (("|", "\\|"), ("[", "\\["), ("<", "&lt;")):
        text = text.replace(sign, written)
    return f"| `{name}` | {shown} | {text} |"
