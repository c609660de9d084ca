"""Words: the grammar's truth, models that are held to it, and their measures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from als_command import als

from als_plugins.making.words import (
    MODELS,
    Guide,
    Tongue,
    WordsRecord,
    judge,
    language_of,
    make_words,
    perplexity,
    transcripts,
)


@pytest.fixture(scope="module")
def tongue() -> Tongue:
    """The words of training's meetings."""
    return Tongue(language_of())


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_all_that_the_grammar_draws_is_true(split: str) -> None:
    language = language_of(split)
    talks = transcripts(language, "train", 10, 0)
    judged = judge(language, talks)
    assert (judged.grammatical, judged.true) == (1.0, 1.0)
    assert judged.sentences > 80


def test_what_is_not_true_is_known(tongue: Tongue) -> None:
    language, said = tongue.language, {}
    for number, words in enumerate(language.sentences):
        said[" ".join(words)] = number
    proposed = said["Ana : Let us ask Ben to <C> by Friday ."]
    agreed = said["Cho : Good , the plan to <C> stands ."]

    def true(sentence: str, *before: int, speakers: int = 4) -> bool:
        return bool(language.true(speakers, before)[said[sentence]])

    assert true("Ana : Let us ask Ben to <C> by Friday .")
    assert not true("Cho : Good , the plan to <C> stands ."), "nobody has proposed it"
    assert true("Cho : Good , the plan to <C> stands .", proposed)
    assert not true("Cho : Good , the plan to <D> stands .", proposed)
    assert not true("Ana : Good , the plan to <C> stands .", proposed), "Ana has just spoken"
    assert not true("Eli : Good , the plan to <C> stands .", proposed), "Eli is not there"
    assert true("Eli : Good , the plan to <C> stands .", proposed, speakers=5)
    assert not true("Cho : No , let Eli <C> .", proposed)
    assert not true("Cho : No , let Ben <C> .", proposed), "Ben would do it anyway"
    assert true("Cho : No , let Dee <C> .", proposed)
    assert not true("Cho : No , Friday is the day to <C> .", proposed)
    assert true("Cho : No , Monday is the day to <C> .", proposed)
    assert not true("Ben : I can <C> by Monday .", proposed), "it is proposed already"
    assert not true("Ben : Agreed , that is how we <C> .", proposed, agreed)
    assert true("Ben : It is warm in here .", proposed)


def test_no_sentence_is_the_beginning_of_another(tongue: Tongue) -> None:
    sentences = {tuple(words) for words in tongue.language.sentences}
    assert len(sentences) == len(tongue.language.sentences)
    assert not any(words[:n] in sentences for words in sentences for n in range(1, len(words)))


def test_a_guide_allows_all_that_the_grammar_draws_and_talks_come_back(tongue: Tongue) -> None:
    for talk in transcripts(tongue.language, "validation", 4, 1):
        spoken, guide = tongue.encode(talk), Guide(tongue, talk.speakers)
        for word in spoken[1:].tolist():
            assert guide.allowed()[word]
            if word:
                guide.hear(word)
        assert guide.said == talk.said == tongue.decode(spoken[1:-1].tolist())


@pytest.mark.parametrize("name", MODELS)
def test_whoever_is_guided_says_what_is_true(tongue: Tongue, name: str) -> None:
    talks = transcripts(tongue.language, "train", 12, 0)
    model = MODELS[name](len(tongue.words))
    model.learn([tongue.encode(each) for each in talks], steps=4, batch=2)
    guided = [(4, make_words(model, tongue, 4, seed)) for seed in range(2)]
    free = [(4, make_words(model, tongue, 4, seed, guided=False)) for seed in range(2)]
    assert judge(tongue.language, guided).true == 1.0
    assert judge(tongue.language, free).true < 0.9
    assert guided[0] == (4, make_words(model, tongue, 4, 0))
    known = transcripts(tongue.language, "validation", 1, 0)
    alone, helped = (perplexity(model, tongue, known, guided=guide) for guide in (False, True))
    assert 1.0 < helped < alone
    if name == "grammar":
        assert alone == pytest.approx(len(tongue.words))


def test_a_network_learns_what_often_comes_next(tongue: Tongue) -> None:
    talks = transcripts(tongue.language, "train", 6, 0)
    spoken = [tongue.encode(each) for each in talks]
    model, again = MODELS["gru"](len(tongue.words)), MODELS["gru"](len(tongue.words))
    before = perplexity(model, tongue, talks[:1])
    model.learn(spoken, steps=12, batch=3)
    again.learn(spoken, steps=12, batch=3)
    assert perplexity(model, tongue, talks[:1]) < 0.6 * before
    assert np.array_equal(model.step(None, 5)[0], again.step(None, 5)[0])


def test_the_command_writes_talks(tmp_path: Path) -> None:
    out = tmp_path / "made"
    run = als(
        "make", "words", "--transcripts", 4, "--steps", 2, "--count", 2, "--out", out, "--json"
    )
    assert run.code == 0, run.err
    found = json.loads(run.out)
    assert (found["talks"], found["true"]) == (2, 1.0)
    record = WordsRecord.model_validate_json((out / "words.json").read_bytes())
    written = (out / "words.txt").read_text().split("\n\n")
    assert [text.strip().split("\n") for text in written] == [each.lines for each in record.talks]
