"""How plugins are found and imported: the entry points, and what the environment allows.

Gymnasium loads no plugins of its own, so `import als_engine` does it. That has one trap. When a
third party's module is imported first, it is that module which imports `als_engine`, and we find
its entry point while it is still running: the module is in `sys.modules`, but its hooks are not in
the module yet. Asking it then would find nothing, and pluggy would say nothing. So it is imported
once more, from its beginning to its end, and so is what else of its package is still running.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions
from types import ModuleType
from typing import Literal

from als_engine.plugins.specs import Spec

__all__ = [
    "BUNDLED",
    "Installed",
    "Plugin",
    "PluginSettings",
    "find_installed",
    "half_imported_set_aside",
    "normalized",
]

BUNDLED = "als-engine"  # The distribution that this file belongs to.

_ON = frozenset({"1", "true", "yes", "on", "all"})
_OFF = frozenset({"0", "false", "no", "off"})


@dataclass
class Plugin:
    """One entry point: where it comes from and what became of it.

    Attributes:
        distribution: Normalized name of the distribution, as pip shows it.
        version: The distribution's version.
        name: The entry point's name.
        module: What the entry point names.
        status: `loading` until it is known what became of it; `refused` when it does what it may
            not do, `failed` when its own code fails.
        specs: What it offers, once it is loaded.
        commands: Those that it has added to `als`.
        error: Why it failed, was refused, or is disabled, in one line.
        where: The last place of its own in the traceback: file, line and function.
        traceback: The whole traceback of the failure.
        api: The version of the plugin API that it says it is written for; empty if it says none.
    """

    distribution: str
    version: str
    name: str
    module: str
    status: Literal["loading", "loaded", "refused", "failed", "disabled"] = "loading"
    specs: list[Spec] = field(default_factory=list)
    commands: list[str] = field(default_factory=list, kw_only=True)
    error: str = ""
    where: str = ""
    traceback: str = ""
    api: str = ""

    @property
    def is_out(self) -> bool:
        """Whether it should be there and is not."""
        return self.status in ("refused", "failed")


@dataclass(frozen=True)
class PluginSettings:
    """The settings of plugins in the environment; bundled ones are always loaded.

    Attributes:
        disabled: `ALS_DISABLE_PLUGINS=1`: no third party's plugin is loaded.
        left_out: `ALS_DISABLE_PLUGINS="acme-kitchen,other"`: these distributions' are not.
        allowed: `ALS_PLUGINS="acme-kitchen,other"`: only these are; None allows all of them.
        strict: `ALS_STRICT_PLUGINS=1`: the first failure is raised and not only kept.
    """

    disabled: bool = False
    left_out: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    strict: bool = False

    @classmethod
    def from_environment(cls) -> PluginSettings:
        """Reads the variables; an empty one counts as not set."""
        allowed, out = _names("ALS_PLUGINS"), _names("ALS_DISABLE_PLUGINS")
        strict = bool(_names("ALS_STRICT_PLUGINS") - _OFF)
        return cls(bool(out & _ON), out - _ON - _OFF, allowed or None, strict)

    def why_not(self, distribution: str) -> str:
        """Returns why a distribution's plugins are not to be loaded, or `''` when they are."""
        if distribution == BUNDLED:
            return ""
        if self.disabled:
            return "ALS_DISABLE_PLUGINS is set"
        if distribution in self.left_out:
            return "ALS_DISABLE_PLUGINS names it"
        if self.allowed is not None and distribution not in self.allowed:
            return "ALS_PLUGINS does not name it"
        return ""


@dataclass
class Installed:
    """The plugins and namespaces of the installed distributions.

    Attributes:
        plugins: the bundled ones first, then in alphabetical order.
        declared: distribution, namespace and owner of each declaration.
        broken: distributions whose entry points cannot be read.
    """

    plugins: list[tuple[Plugin, EntryPoint]] = field(default_factory=list)
    declared: list[tuple[str, str, str]] = field(default_factory=list)
    broken: list[Plugin] = field(default_factory=list)


def find_installed(group: str) -> Installed:
    """Finds the installed entry points of `group`, of `group.namespaces` and of `group.api`."""
    found, seen = Installed(), set[str]()
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
            if group not in text:  # Reading a name can take longer than reading the entry points.
                continue
        except (OSError, ValueError):
            continue
        name, version = _name_of(distribution)
        if name in seen:  # Hidden by one that comes earlier on the path.
            continue
        seen.add(name)
        try:
            points = list(distribution.entry_points)
        except Exception as error:
            reason = f"its entry_points.txt cannot be read: {type(error).__name__}: {error}"
            found.broken.append(Plugin(name, version, "", "", "failed", error=reason))
            continue
        for point in points:
            if point.group == group:
                api = ",".join(each.value for each in points if each.group == f"{group}.api")
                plugin = Plugin(name, version, point.name, point.value, api=api)
                found.plugins.append((plugin, point))
            elif point.group == f"{group}.namespaces":
                found.declared.append((name, point.name, point.value))
    # The order of sys.path is nobody's choice; what is listed and who comes first must not
    # depend on it.
    found.plugins.sort(key=lambda item: (item[0].distribution != BUNDLED, _place(item[0])))
    return found


def normalized(distribution: str) -> str:
    """Returns a distribution's name in its one canonical spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@contextmanager
def half_imported_set_aside(point: EntryPoint) -> Iterator[None]:
    """Inside, what is half imported of a plugin's package is imported anew by whoever needs it.

    Somebody is importing it, and it has come as far as `import als_engine`. A module that is
    imported anew stays: when an import ends, Python hands out what stands in `sys.modules`.
    """
    top = point.value.partition(":")[0].strip().partition(".")[0]
    names = [name for name in sys.modules if f"{name}.".startswith(f"{top}.")]
    half = [name for name in names if _is_half_imported(sys.modules[name])]
    # What lies in a package that is half imported may have taken something from it.
    inside = [name for name in names if any(f"{name}.".startswith(f"{each}.") for each in half)]
    aside = {name: sys.modules.pop(name) for name in inside}
    try:
        yield
    finally:
        for name in aside.keys() - sys.modules.keys():
            sys.modules[name] = aside[name]


def _is_half_imported(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _name_of(distribution: Distribution) -> tuple[str, str]:
    """Name and version; metadata that somebody has written by hand may lack either."""
    try:
        name = normalized(distribution.name or "unknown")
        # A name is of ASCII letters; others only look like somebody else's.
        return name.encode("ascii", "backslashreplace").decode(), distribution.version or ""
    except Exception:
        return "unknown", ""


def _place(plugin: Plugin) -> tuple[str, str]:
    return plugin.distribution, plugin.name


def _names(variable: str) -> frozenset[str]:
    """The words of a variable that has commas between them."""
    words = (word.strip() for word in os.environ.get(variable, "").split(","))
    return frozenset(normalized(word) for word in words if word)
