"""Templates escape by mechanism: nobody has to remember it, and no template can turn it off."""

from __future__ import annotations

import html
import importlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import TemplateAssertionError, TemplateNotFound
from places import ROOT

from als_engine.reports.pages import DASH, Pages, fixed, percent

ODD = "</title><script>x()</script><img src=x onerror=x()>\"'&\x1b[2J\0\u202e"
PACKAGES = ["als_engine.reports", "als_bench.board", "als_plugins.explaining"]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Renders a text as the template of a package of its own."""

    def written(text: str, **values: object) -> str:
        folder = tmp_path / "odd_pages" / "templates"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / "page.html").write_text(text, encoding="utf-8")
        return Pages("odd_pages", "p { }").render("page.html", **values)

    monkeypatch.syspath_prepend(tmp_path)
    yield written
    sys.modules.pop("odd_pages", None)


@pytest.mark.parametrize(
    "text",
    [
        "{{ odd }}",
        '<p title="{{ odd }}">',
        "{{ 'a' ~ odd }}",
        "{{ [odd, odd] | join('<br>' | escape) }}",
        "{{ odd | e }}",
        "{{ '%s' | format(odd) }}",
        "{% macro show(x) %}<b>{{ x }}</b>{% endmacro %}{{ show(odd) ~ odd }}",
        "{% set x %}<b>{{ odd }}</b>{% endset %}{{ x }}",
        "{{ {odd: odd} }}",
        "{% from 'shared.html' import facts, film %}{{ facts([(odd, odd)]) }}{{ film(odd, odd) }}",
    ],
)
def test_a_text_stays_a_text_however_it_is_written(write, text: str) -> None:
    page = write(text, odd=ODD)
    assert "<script" not in page
    assert "<img src=x" not in page
    assert not {"\x1b", "\0", "\u202e"} & set(page)
    assert "script>x()" in html.unescape(page)


@pytest.mark.parametrize("text", ["{{ odd | safe }}", "{{ odd | urlize }}", "{{ odd | xmlattr }}"])
def test_no_template_can_call_a_text_safe(write, text: str) -> None:
    with pytest.raises(TemplateAssertionError, match="No filter"):
        write(text, odd=ODD)


def test_what_is_not_given_is_an_error_and_not_an_empty_place(write) -> None:
    with pytest.raises(UndefinedError, match="titel"):
        write("{{ titel }}", title="x")


def test_a_page_has_to_say_what_it_is_about(write) -> None:
    with pytest.raises(Exception, match="Required block 'main' not found"):
        write("{% extends 'base.html' %}", title="x")


def test_a_package_sees_its_own_templates_and_the_shared_ones_alone() -> None:
    with pytest.raises(TemplateNotFound):
        Pages("als_engine.reports", "").render("explanation.html")


@pytest.mark.parametrize("package", PACKAGES)
def test_templates_are_installed_with_their_package(package: str) -> None:
    """They lie within a package that the wheel takes whole, and no pattern leaves them out."""
    found = list(files(package).joinpath("templates").iterdir())
    assert found
    assert all(each.name.endswith(".html") for each in found)
    folder = Path(importlib.import_module(package).__path__[0])
    wheel = (ROOT / name for name in ("als_engine", "plugins/als_bench", "plugins/als_plugins"))
    assert any(folder.is_relative_to(each) for each in wheel)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_page_has_the_one_head_and_no_template_escapes_the_escaping(package: str) -> None:
    for each in files(package).joinpath("templates").iterdir():
        text = each.read_text(encoding="utf-8")
        assert "autoescape" not in text
        assert ("<head>" in text) == (each.name == "base.html")
        assert ("<html" in text) == (each.name == "base.html")


def test_numbers_are_written_for_people() -> None:
    assert [fixed(-1.005, 1), fixed(2), fixed(-0.001), fixed(None)] == [
        "−1.0",
        "2.00",
        "0.00",
        DASH,
    ]
    assert [percent(0.256), percent(0.256, 1), percent(None)] == ["26%", "25.6%", DASH]


def test_the_engine_imports_no_templates_until_a_page_is_written() -> None:
    code = (
        "import sys, als_engine, als_engine.reports.pages, als_engine.reports.training\n"
        "sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
