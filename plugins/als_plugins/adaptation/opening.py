"""Makes the feedback channel that is named on a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from als_engine.errors import ArgumentError, did_you_mean
from als_engine.models import Model
from als_plugins.adaptation.channel import Channel
from als_plugins.adaptation.lines import LiveChannel, RecordedChannel
from als_plugins.adaptation.teacher import SimulatedTeacher, Teaching

__all__ = ["absolute", "open_channel"]


def open_channel(
    text: str, *, seed: int = 0, folder: Path | None = None, make: bool = True
) -> Channel:
    """Makes a channel from what is written on a command line.

    Args:
        text: `simulated:NOISE[,rate=SHARE][,delay=LEAST-MOST]`, `live[:PATH][,pace=FPS]`, or the
            path of a file of events, or `page[:PORT][,pace=FPS]`.
        seed: of a simulated teacher.
        folder: where `live` without a path looks for `feedback.jsonl`.
        make: whether a live file elsewhere is made when it is missing; not where its path comes
            from somebody's file.

    Raises:
        ArgumentError: it is none of these, or a value is not allowed.
        SavedFileError: the file cannot be read or a line of it is wrong.
    """
    kind, _, rest = text.partition(":")
    if kind == "simulated":
        first, *options = rest.split(",")
        given = {"noise": first, **_options(text, options)}
        return SimulatedTeacher(_checked(text, Teaching, given), seed=seed)
    if kind.partition(",")[0] == "live":
        path, *options = (rest if ":" in text else text.partition("live")[2]).split(",")
        live = _checked(text, _Live, _options(text, options))
        if not path and folder is None:
            raise ArgumentError('feedback "live" needs a file or a folder: use live:PATH')
        where = Path(path) if path else Path(folder or ".") / "feedback.jsonl"
        return LiveChannel(where, pace=live.pace, make=make or not path)
    if kind.partition(",")[0] == "page":
        return _page(text)
    if not Path(text).exists():
        hint = did_you_mean(kind, ("simulated", "live", "page"))
        raise ArgumentError(
            f'feedback "{text}" is no file{hint or ";"} use simulated:NOISE, live, page or a file'
        )
    return RecordedChannel(Path(text))


def _page(text: str) -> Channel:
    """The page on which people say good and bad.

    Raises:
        ArgumentError: the port is none, or taken.
        PluginError: the extra `serve` is not installed.
    """
    from als_engine.cli.console import say
    from als_plugins.serve.teaching.judging import PageChannel

    head, *options = text.split(",")
    port = head.partition(":")[2]
    page = _checked(text, _Page, {**_options(text, options), **({"port": port} if port else {})})
    return PageChannel(
        page.pace, page.port, browser=page.browser, say=lambda line: say(line, error=True)
    )


def absolute(text: str) -> str:
    """The same channel with a path that means the same from everywhere."""
    kind, colon, rest = text.partition(":")
    if (
        kind == "simulated"
        or kind.partition(",")[0] == "page"
        or text in ("none", "frozen", "channel")
    ):
        return text
    if kind.partition(",")[0] == "live":
        path, comma, options = rest.partition(",")
        return f"{kind}{colon}{Path(path).resolve()}{comma}{options}" if path else text
    return str(Path(text).resolve())


class _Live(Model):
    """Options of a live channel: wall-clock steps a second; 0 for as fast as it goes."""

    model_config = ConfigDict(strict=False)

    pace: float = Field(default=0.0, ge=0.0, le=1_000.0)


class _Page(Model):
    """Options of the page: steps a second, as fast as real by default, and where it listens."""

    model_config = ConfigDict(strict=False)

    pace: float = Field(default=15.0, ge=0.0, le=1_000.0)
    port: int | None = Field(default=None, ge=0, le=65_535)
    browser: bool = True


def _options(text: str, words: Sequence[str]) -> dict[str, Any]:
    """`rate=0.3` as a dictionary; a delay `0.2-0.8` as a pair."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in found:
            raise ArgumentError(f'feedback "{text}": "{word}" is not an option such as rate=0.3')
        found[name] = tuple(value.split("-", 1)) if name == "delay" and "-" in value else value
    return found


def _checked(text: str, model: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = str(first["loc"][0]) if first["loc"] else "options"
        if first["type"] == "extra_forbidden":
            names = ", ".join(model.model_fields)
            raise ArgumentError(
                f'feedback "{text}": there is no "{where}"; allowed: {names}'
            ) from None
        raise ArgumentError(f'feedback "{text}": {where}: {first["msg"]}') from None
