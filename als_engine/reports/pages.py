"""Pages from templates: HTML stands in files beside the code that fills them, never in the code.

A package that writes pages has a folder `templates`. What lies in `als_engine/reports/templates`
is there for all: `base.html`, which every page extends, and the macros of `shared.html`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from als_engine.reports.chart import with_minus
from als_engine.texts import visible

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["DASH", "Pages", "fixed", "percent"]

DASH: Final = "\N{EN DASH}"

_SHARED: Final = "als_engine.reports"


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals; nearly zero has no sign, and a dash stands for none."""
    return DASH if value is None else with_minus(f"{round(value, digits) + 0.0:.{digits}f}")


def percent(value: float | None, digits: int = 0) -> str:
    """A part of the whole; a dash for none."""
    return DASH if value is None else with_minus(f"{value:.{digits}%}")


class Pages:
    """The templates of a package.

    Whatever a template is given is text: jinja2 escapes it, and nothing in a template can say
    otherwise. Drawings alone come as `markupsafe.Markup`.

    Args:
        package: whose folder `templates` they lie in.
        style: the style sheet of its pages.
        filters: how its templates write what they are given, beside `fixed`, `percent` and `minus`.
    """

    def __init__(self, package: str, style: str, **filters: Callable[..., Any]) -> None:
        self._package, self._style, self._filters = package, style, filters

    def render(self, name: str, **values: Any) -> str:
        """A template as text.

        Args:
            name: of the template's file.
            values: what it calls by name.

        Raises:
            jinja2.UndefinedError: it calls something that it was not given.
        """
        # Here and not value by value, so that no way of writing one gets around it.
        return visible(self._environment.get_template(name).render(values))

    @cached_property
    def _environment(self) -> Environment:
        # Only who writes a page pays for it.
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

        packages = dict.fromkeys((self._package, _SHARED))
        environment = Environment(
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        )
        for unsafe in ("safe", "urlize", "xmlattr"):
            del environment.filters[unsafe]
        environment.globals["style"] = Markup(self._style)
        environment.filters.update(fixed=fixed, percent=percent, minus=with_minus, **self._filters)
        return environment
