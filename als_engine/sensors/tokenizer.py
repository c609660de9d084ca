"""Texts as numbers: byte-level byte-pair encoding with a vocabulary that ships with the package.

`vocabulary.json` is part of what observations mean: an agent trained with one vocabulary reads
nonsense with another. It depends on `corpus.txt` alone, never on which plugins are installed.
`python -m als_engine.sensors.tokenizer` writes it anew, byte for byte the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

__all__ = ["HEARD", "HIDDEN", "PAD", "READ", "TOLD", "VOCABULARY_SIZE", "decode", "encode", "train"]

VOCABULARY_SIZE: Final = 1024
PAD, TOLD, HEARD, READ = range(4)
MARKS: Final = ("<pad>", "<told>", "<heard>", "<read>")
"""The tokens 0 to 3, which no text contains: they fill up, or say where the next text is from."""
HIDDEN: Final = 191
"""Stands for byte 0xFF, which is in no UTF-8: a token that no observation contains, but that an
encoder can read. Masked modelling puts it where a word is to be guessed."""


def encode(text: str) -> list[int]:
    """Returns the tokens of a text, each from 4 to 1023; an empty text has none.

    A text is read as if a space stood before it, so that its first word is the same token as
    further on. Digits are a token each.
    """
    return list(encoded(text))


@lru_cache(maxsize=16_384)
def encoded(text: str) -> tuple[int, ...]:
    """As `encode`, and remembers the answer."""
    if not text:
        return ()
    # A lone surrogate, which no byte stands for, becomes a question mark.
    sound = text.encode("utf-8", "replace").decode("utf-8")
    return tuple(_tokenizer().encode(" " + sound).ids)


def decode(tokens: Iterable[int] | NDArray[np.integer]) -> str:
    """Returns the text of tokens: `decode(encode(text)) == text`.

    An observation comes out as `<told> bring the parcel <heard> wait`; padding is left out, and a
    character that was cut off at the end is shown as U+FFFD.
    """
    parts: list[str] = []
    run: list[int] = []
    for token in (*(int(token) for token in tokens), PAD):
        if token >= len(MARKS):
            run.append(token)
            continue
        if run:
            parts.append(_tokenizer().decode(run, skip_special_tokens=False).removeprefix(" "))
            run = []
        if token != PAD:
            parts.append(MARKS[token])
    return " ".join(parts)


def train() -> str:
    """Learns the vocabulary from `corpus.txt`; returns what stands in `vocabulary.json`."""
    tokenizer = _with(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(MARKS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return json.dumps({"tokens": tokens, "merges": model["merges"]}, indent=0) + "\n"


def _corpus() -> Iterator[str]:
    for line in _data("corpus.txt").splitlines():
        yield " " + line


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    data = json.loads(_data("vocabulary.json"))
    vocabulary = {token: i for i, token in enumerate(data["tokens"])}
    # The marks are in the vocabulary, but no merge leads to them and they are not declared as
    # special: a text that spells "<told>" is encoded as the characters that it is.
    return _with(models.BPE(vocab=vocabulary, merges=[(a, b) for a, b in data["merges"]]))


def _with(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _data(name: str) -> str:
    return files("als_engine.sensors").joinpath(name).read_text("utf-8")


def _main() -> None:
    path = Path(__file__).with_name("vocabulary.json")
    path.write_text(train(), "utf-8")


if __name__ == "__main__":
    _main()
