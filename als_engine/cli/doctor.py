"""`als doctor`: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata, version
from typing import TYPE_CHECKING, Annotated, Final

import typer

from als_engine.cli.console import say, say_json
from als_engine.plugins.discovery import BUNDLED
from als_engine.plugins.findings import Finding, Status
from als_engine.plugins.registry import registry

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["doctor"]

_SIGNS: Final = {"ok": ("ok", "green"), "missing": ("--", "yellow"), "broken": ("NO", "bold red")}
_WIDTH: Final = 15


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON, for programs.")
    ] = False,
) -> None:
    """Look at this installation: what works, what is missing, and the command to get it.

    Exit code 1 if something is broken that is needed; what is only missing is no error.
    """
    findings: list[Finding] = []
    for look in _LOOKS:
        findings.extend(look())
    registry.doctor(findings.append)
    broken = any(finding.status == "broken" for finding in findings)
    if as_json:
        say_json({"ok": not broken, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            _show(finding)
    if broken:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    sign, style = _SIGNS[finding.status]
    say((sign, style), f" {finding.topic:<{_WIDTH}} {finding.text}")
    if finding.remedy:
        say(f"{'':<{_WIDTH + 3}} -> {finding.remedy}")


def _python() -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    found = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    wanted = metadata(BUNDLED)["Requires-Python"] or ""
    if platform.python_version() in SpecifierSet(wanted, prereleases=True):
        yield Finding("python", "ok", found)
    else:
        yield Finding("python", "broken", found, f"use a CPython {wanted}")


def _platform() -> Iterator[Finding]:
    cores = f"{os.cpu_count()} cores"
    if sys.platform == "linux":
        yield Finding("platform", "ok", f"{platform.platform()}, {cores}")
    else:
        text = f"{platform.platform()}, {cores}; only Linux is tested, and only it has the sandbox"
        yield Finding("platform", "ok", text)


def _engines() -> Iterator[Finding]:
    """The physics engines, and whether the C functions are found that the kernels call."""
    from als_engine.physics.engines import DEFAULT, ENGINES

    for name, engine in ENGINES.items():
        topic = f"physics {name}"
        if engine.version is None:
            lacking: Status = "broken" if name == DEFAULT else "missing"
            yield Finding(topic, lacking, "not installed", engine.remedy)
            continue
        versions = {engine.module: engine.version}
        text = f"{engine.module} {engine.version}"
        try:
            import_module(f"als_engine.physics.{name}.api")
        except Exception as error:  # Whatever a library fails with when it is loaded.
            yield Finding(topic, "broken", f"{text}: {_line(error)}", engine.remedy, versions)
        else:
            standard = ", the default" if name == DEFAULT else ""
            text = f"{text}, its C functions are found{standard}"
            yield Finding(topic, "ok", text, versions=versions)


def _libraries() -> Iterator[Finding]:
    """The libraries that everything needs, and then those of each extra."""
    from packaging.requirements import Requirement

    about = metadata(BUNDLED)
    required = [Requirement(line) for line in about.get_all("Requires-Dist") or ()]
    base = [each for each in required if not each.marker or each.marker.evaluate({"extra": ""})]
    yield _of("libraries", base, "broken", f'pip install "{BUNDLED}"')
    for extra in sorted({*(about.get_all("Provides-Extra") or ())} - {"all"}):
        wanted = [
            each
            for each in required
            if each.marker
            and each.marker.evaluate({"extra": extra})
            and not each.marker.evaluate({"extra": ""})
            and each.name != BUNDLED
        ]
        if wanted:
            yield _of(f"extra {extra}", wanted, "missing", f'pip install "{BUNDLED}[{extra}]"')


def _of(topic: str, wanted: list[Requirement], otherwise: Status, remedy: str) -> Finding:
    """What is installed of some requirements, and what is not or is too old."""
    versions: dict[str, str] = {}
    lacking = []
    for requirement in wanted:
        try:
            found = versions[requirement.name] = version(requirement.name)
        except PackageNotFoundError:
            lacking.append(requirement.name)
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            lacking.append(f"{requirement.name}{requirement.specifier} (here: {found})")
    if lacking:
        return Finding(topic, otherwise, f"missing: {', '.join(lacking)}", remedy, versions)
    text = ", ".join(f"{name} {found}" for name, found in versions.items())
    return Finding(topic, "ok", text, versions=versions)


def _plugins() -> Iterator[Finding]:
    found, failed = registry.plugins(), registry.failures()
    if not failed:
        loaded = sum(plugin.status == "loaded" for plugin in found)
        yield Finding("plugins", "ok", f"{loaded} loaded")
    for plugin in failed:
        # What comes with the engine is needed; a stranger's plugin is not.
        status: Status = "broken" if plugin.distribution == BUNDLED else "missing"
        text = f"{plugin.distribution} {plugin.name} failed: {plugin.error}"
        yield Finding("plugins", status, text, "als plugins")


def _kernels() -> Iterator[Finding]:
    """What has been compiled for this machine."""
    from als_engine.system.compiling import kept

    try:
        found = kept()
    except RuntimeError as error:
        yield Finding("kernels", "missing", f"nothing can be kept: {_line(error)}")
        return
    where = f"in {found.folder}" + ("" if found.writable else ", which cannot be written")
    if found.kernels:
        size = found.size / 2**20
        yield Finding("kernels", "ok", f"{found.kernels} compiled, {size:.0f} MiB, {where}")
    else:
        text = f"none compiled yet, {where}; the first environment will wait for them"
        yield Finding("kernels", "missing", text, "als warm")


def _browser() -> Iterator[Finding]:
    from als_engine.system.browser import find_chromium

    if found := find_chromium():
        yield Finding("browser", "ok", f"{found}, for the tests of pages")
    else:
        text = "no Chromium, which only the tests of pages need"
        yield Finding("browser", "missing", text, "python -m playwright install chromium")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


_LOOKS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    _python, _platform, _engines, _libraries, _plugins, _kernels, _browser,
)  # fmt: skip
