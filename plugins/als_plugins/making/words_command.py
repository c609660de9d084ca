"""`als make words`: what people say in meetings, from a small language model that cannot lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import say, say_json
from als_engine.cli.shared import MAX_STEPS, Json
from als_plugins.making.command import Out, Seed

__all__ = ["words"]

Transcripts = Annotated[
    int, typer.Option(help="Meetings of the grammar to learn from.", min=1, max=10_000)
]
Count = Annotated[int, typer.Option(help="Talks to make.", min=1, max=10_000)]
Steps = Annotated[int, typer.Option(help="Gradient steps.", min=1, max=MAX_STEPS)]

HELD_OUT = 10


def words(
    out: Out,
    transcripts: Transcripts = 150,
    count: Count = 8,
    steps: Steps = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn how people talk in ALS/Meeting-v0, and make talks in which all that is said is true.

    Example: als make words --count 8 --out made
    """
    from als_engine.models import checked_fields
    from als_engine.system.interrupts import interruptible
    from als_plugins.making import words as made
    from als_plugins.making.folders import write_made

    language = made.language_of()
    tongue = made.Tongue(language)
    model = made.Gru(len(tongue.words))
    learnt = [
        tongue.encode(each) for each in made.transcripts(language, "train", transcripts, seed)
    ]
    with interruptible() as stop, counting_bar("gradient steps") as told:
        model.learn(learnt, steps=steps, seed=seed, should_stop=stop, on_step=told)
    sizes = range(language.fewest_speakers, language.most_speakers + 1)
    topics = language.topics()
    talks, free = [], []
    for number in range(count):
        speakers, topic = sizes[number % len(sizes)], topics[number % len(topics)]
        begun = seed * count + number
        said = [n for n in made.make_words(model, tongue, speakers, begun) if n is not None]
        lines = [language.write(each, topic) for each in said]
        talks.append(made.MadeTalk(speakers=speakers, said=said, lines=lines))
        free.append((speakers, made.make_words(model, tongue, speakers, begun, guided=False)))
    with checked_fields():
        record = made.WordsRecord(transcripts=transcripts, steps=steps, seed=seed, talks=talks)

    def write(new: Path) -> None:
        text = "\n\n".join("\n".join(each.lines) for each in talks)
        (new / "words.txt").write_text(text + "\n", encoding="utf-8")

    write_made(out, "words.json", record, write)
    held_out = made.transcripts(language, "validation", HELD_OUT, seed)
    true, freely = (
        made.judge(language, some)
        for some in ([(each.speakers, each.said) for each in talks], free)
    )
    found = {
        "parameters": model.parameters,
        "talks": len(talks),
        "sentences": true.sentences,
        "true": round(true.true, 4),
        "true_unguided": round(freely.true, 4),
        "perplexity": round(made.perplexity(model, tongue, held_out, guided=True), 4),
        "perplexity_unguided": round(made.perplexity(model, tongue, held_out), 4),
    }
    if as_json:
        say_json(found)
        return
    say(f"{out}: {len(talks)} talks with {true.sentences} sentences, see words.txt.")
    say(
        f"True when they were said: {true.true:.0%} of them; {freely.true:.0%} where the model of "
        f"{model.parameters:,} parameters is left alone."
    )
    say(
        f"Perplexity on {HELD_OUT} other meetings: {found['perplexity']:.2f} a word; "
        f"{found['perplexity_unguided']:.2f} where it is left alone."
    )
