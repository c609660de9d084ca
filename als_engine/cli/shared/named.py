"""`--on` names a scenario and `--agent` an agent, in every command.

Some commands are about a scenario and some are about an agent, which then stands in the first
place: `als play ID --agent AGENT`, `als evaluate AGENT --on ID`. Whoever remembers only the options
can give what stands in the first place by its option as well.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from als_engine.errors import ArgumentError

__all__ = ["by_option"]

_EXTRA: Final = "given_by_option"


class _Way(NamedTuple):
    """How what stands in the first place is given by an option."""

    flag: str
    metavar: str
    help: str
    remedy: str


_SCENARIO: Final = _Way("--on", "ID", "The scenario, in place of ID.", "name a scenario")
_AGENT: Final = _Way("--agent", "AGENT", "The same as AGENT in the first place.", "name an agent")
_WAYS: Final = {"ID": _SCENARIO, "AGENT": _AGENT, "AGENT...": _AGENT}
"""By the metavar of the argument."""


def by_option(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a command whose argument ID or AGENT can also be given as `--on` or `--agent`.

    A command that has neither argument, or has the option already, is returned as it is.
    """
    hints = get_type_hints(callback, include_extras=True)
    infos = {name: info for name, hint in hints.items() if (info := _info(hint)) is not None}
    taken = {flag for info in infos.values() for flag in getattr(info, "param_decls", None) or ()}
    taken |= {f"--{name}" for name, info in infos.items() if isinstance(info, OptionInfo)}
    for name, info in infos.items():
        way = _WAYS.get(info.metavar or "") if isinstance(info, ArgumentInfo) else None
        if way is not None and way.flag not in taken:
            return _with_option(callback, name, way, hints)
    return callback


def _info(hint: Any) -> ArgumentInfo | OptionInfo | None:
    """What a hint tells typer of a parameter."""
    if get_origin(hint) is not Annotated:
        return None
    found = (each for each in get_args(hint)[1:] if isinstance(each, ArgumentInfo | OptionInfo))
    return next(found, None)


def _with_option(
    callback: Callable[..., Any], name: str, way: _Way, hints: dict[str, Any]
) -> Callable[..., Any]:
    signature = inspect.signature(callback)
    kind, info = get_args(hints[name])[0], _info(hints[name])
    required = signature.parameters[name].default is inspect.Parameter.empty
    option = typer.Option(way.flag, metavar=way.metavar, help=way.help)

    @functools.wraps(callback)
    def called(**given: Any) -> Any:
        named, placed = given.pop(_EXTRA), given[name]
        if named and placed:
            raise ArgumentError(f"{way.metavar} and {way.flag} say the same: give one of them")
        given[name] = named or placed
        if required and not given[name]:
            raise ArgumentError(f"{way.remedy}; `als list` shows them")
        return callback(**given)

    parameters = [
        each.replace(annotation=Annotated[kind | None, info], default=None)
        if each.name == name
        else each.replace(annotation=hints[each.name])
        for each in signature.parameters.values()
    ]
    extra = inspect.Parameter(
        _EXTRA,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )
    made: Any = called
    # By keyword, so that what may be left out need not come last.
    every = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*parameters, extra)]
    made.__signature__ = signature.replace(parameters=every)
    made.__annotations__ = {each.name: each.annotation for each in (*parameters, extra)}
    del made.__wrapped__  # Typer would read its signature.
    return called
