"""The font shows what people write, a box for the rest, and says which characters those are."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest

from als_engine.font import drawn_ascii
from als_engine.font.glyphs import BOX, bitmaps, drawn, indices

ALPHABETS = {
    "west": "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŒœŸ¿¡«»",
    "centre": "ĄąĆćČčĎďĐđĘęĚěŁłŃńŇňŐőŘřŚśŠšŤťŮůŰűŹźŻżŽžĂăȘșȚțĞğİıŞş",
    "baltic and esperanto": "ĀāĒēĢģĪīĶķĻļŅņŪūĖėĮįŲųĈĉĜĝĤĥĴĵŜŝŬŭ",
    "vietnamese": "ĂăÂâĐđÊêÔôƠơƯưẠạẢảẤấẦầẨẩẪẫẬậẮắẰằẾếỀềỂểỄễỆệỈỉỊịỐốỒồỔổỖỗỘộỚớỜờỢợỤụỨứỪừỰựỲỳỴỵỶỷỸỹ",
    "greek": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρσςτυφχψωΆΈΉΊΌΎΏάέήίόύώΐΰϊϋ",
    "cyrillic": "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"
    "абвгдежзийклмнопрстуфхцчшщъыьэюяЁёЂђЄєІіЇїЈјЉљЊњЋћЎўЏџҐґ",
    "symbols": "€£¥¢₽₴₹₺₿₪₫₩←↑→↓↔↕↖↗↘↙⇐⇒⇔±×÷−≠≤≥≈≡∞√∑∏∂∫∆∇∈∉∩∪⊂∀∃¬∧∨°µ½¼¾⅓⅔¹²³§¶©®™†‡•…–—‘’“”„‚"
    "─│┌┐└┘├┤┬┴┼═║╔╗╚╝░▒▓█▀▄■□▲△▼▽◆◇○●★☆✓✗✔✘☐☑☒♠♣♥♦♀♂♪♫☺⚠№‰",
}


@pytest.mark.parametrize("name", ALPHABETS)
def test_what_people_write_has_a_bitmap_of_its_own(name):
    characters = ALPHABETS[name]
    found = indices(characters)
    assert [c for c, i in zip(characters, found, strict=True) if i == BOX] == []
    assert bitmaps()[found].any(axis=(1, 2)).all()
    own = {bitmaps()[i].tobytes() for i in found[: len(characters)]}
    # Ñ has no twin; a few characters, such as the thin and the thick cross, are allowed one.
    assert len(own) >= 0.9 * len(set(characters))


def test_ascii_is_as_it_was_drawn():
    text = "".join(map(chr, range(drawn_ascii.FIRST, drawn_ascii.LAST + 1)))
    assert indices(text).tolist() == [*map(ord, text)]
    glyphs = bitmaps()[indices(text)]
    assert (glyphs[:, : drawn_ascii.HEIGHT, : drawn_ascii.WIDTH] == drawn_ascii.GLYPHS).all()
    assert not glyphs[:, drawn_ascii.HEIGHT :].any()
    assert not glyphs[:, :, drawn_ascii.WIDTH :].any()


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        (unicodedata.normalize("NFD", "ñandú Ё ώ"), "ñandú Ё ώ"),
        ("a\u200bb\u200d\u202ec", "abc"),
        ("\u26a0\ufe0f", "\u26a0"),
        ("plain", "plain"),
    ],
)
def test_a_cell_holds_a_letter_with_its_accents(text, cells):
    assert drawn(text) == cells


def test_what_is_lacking_is_a_box_and_is_named_once():
    with pytest.warns(RuntimeWarning) as given:
        found = [*indices("a丈b丈"), *indices("丈")]
    assert found == [ord("a"), BOX, ord("b"), BOX, BOX]
    assert [str(each.message) for each in given] == [
        'the font of signs and captions has no "丈" (U+4E08, CJK UNIFIED IDEOGRAPH-4E08): '
        "a box stands for it"
    ]


def test_ascii_needs_no_file():
    code = (
        "import als_engine.font.glyphs as g; assert len(g.indices('abc')) == 3; "
        "print(g._rows.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
