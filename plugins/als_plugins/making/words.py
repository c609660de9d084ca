"""Dialogue from a small language model, which a grammar and the truth hold by the hand.

The model predicts words. Where it is guided it may only say the next word of some sentence that is
true after all that was said: what is false gets the probability 0, and the rest is normalised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from als_engine.limits import MAX_NUMBER, MAX_SEED, STEPS
from als_engine.models import Model, Name
from als_engine.plugins.registry import registry
from als_engine.seeding import Generators, spread
from als_engine.task import Split

__all__ = [
    "MODELS",
    "Guide",
    "Judged",
    "Language",
    "MadeTalk",
    "ModelName",
    "Talk",
    "Tongue",
    "WordModel",
    "WordsRecord",
    "judge",
    "language_of",
    "make_words",
    "perplexity",
    "transcripts",
]

SCENARIO: Final = "ALS/Meeting-v0"
END: Final = "<end>"
MOST: Final = 10_000
"""Transcripts, or talks that are made."""

Numbers = NDArray[np.float64]
ModelName = Literal["gru", "bigram", "unigram", "grammar"]


class Language(Protocol):
    """What a scenario's people can say; `als_scenarios.office.meeting.language` is one.

    Attributes:
        sentences: the words of each.
        fewest_speakers, most_speakers: in a talk.
        longest: how many sentences a talk has at most.
    """

    sentences: Sequence[Sequence[str]]
    fewest_speakers: int
    most_speakers: int
    longest: int

    def transcript(self, rng: np.random.Generator, speakers: int) -> list[int]:
        """The sentences of a talk that the scenario's grammar draws, by their numbers."""

    def true(self, speakers: int, said: Sequence[int]) -> NDArray[np.bool_]:
        """Which sentences are true after those, (sentences,)."""

    def write(self, number: int, topic: int) -> str:
        """A sentence as it is said about a topic."""

    def topics(self) -> list[int]:
        """What can be talked about."""


class Talk(NamedTuple):
    """Who is there, and the sentences that are said, by their numbers."""

    speakers: int
    said: list[int]


def language_of(split: Split = "train") -> Language:
    """What is said in the meetings of a split."""
    found: Language = registry.load(registry.scenario(SCENARIO)).language(split)
    return found


def transcripts(language: Language, split: str, count: int, seed: int) -> list[Talk]:
    """Meetings that the scenario's grammar draws, with different ones for each split and seed."""
    found = []
    for number in range(count):
        rng = np.random.default_rng(spread(f"transcripts, {split}", seed, number))
        speakers = int(rng.integers(language.fewest_speakers, language.most_speakers + 1))
        found.append(Talk(speakers, language.transcript(rng, speakers)))
    return found


class MadeTalk(Model):
    """A talk that was made.

    Attributes:
        speakers: how many. said: the sentences, by their numbers in the scenario's language.
        lines: the same, written out about one of its topics.
    """

    speakers: Annotated[int, Field(ge=1, le=100)]
    said: Annotated[list[Annotated[int, Field(ge=0, le=MAX_NUMBER)]], Field(max_length=1_000)]
    lines: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1_000)]


class Tongue:
    """The words of a language by their numbers.

    Attributes:
        words: all of them; the first is the end of a talk, then come its numbers of speakers.
        rows: (sentences, most words) of each sentence; -1 behind its end.
    """

    def __init__(self, language: Language) -> None:
        """Numbers the words."""
        self.language = language
        sizes = range(language.fewest_speakers, language.most_speakers + 1)
        spoken = sorted({word for sentence in language.sentences for word in sentence})
        self.words = (END, *(f"<{size}>" for size in sizes), *spoken)
        self._number = {word: number for number, word in enumerate(self.words)}
        longest = max(map(len, language.sentences))
        self.rows: NDArray[np.int64] = np.full((len(language.sentences), longest + 1), -1)
        for row, sentence in zip(self.rows, language.sentences, strict=True):
            row[: len(sentence)] = [self._number[word] for word in sentence]
        self._sentence = {tuple(row[row >= 0].tolist()): n for n, row in enumerate(self.rows)}
        self._stops = {self._number[word] for word in (".", "?") if word in self._number}

    def begin(self, speakers: int) -> int:
        """The word that a talk of so many begins with."""
        return self._number[f"<{speakers}>"]

    def encode(self, talk: Talk) -> NDArray[np.int64]:
        """The words of a talk, from its beginning to its end."""
        spoken = [row[row >= 0] for row in self.rows[talk.said]]
        return np.concatenate([[self.begin(talk.speakers)], *spoken, [0]])

    def decode(self, spoken: Sequence[int]) -> list[int | None]:
        """The sentences of a talk; None for one that the grammar does not have."""
        found: list[int | None] = []
        now: list[int] = []
        for word in spoken:
            now.append(word)
            if word in self._stops:
                found.append(self._sentence.get(tuple(now)))
                now = []
        return [*found, None] if now else found


class Guide:
    """Says which words can come next in a talk in which only the truth is said."""

    def __init__(self, tongue: Tongue, speakers: int) -> None:
        """Begins a talk."""
        self._tongue, self._speakers = tongue, speakers
        self.said: list[int] = []
        self._next_sentence()

    def _next_sentence(self) -> None:
        over = len(self.said) >= self._tongue.language.longest
        self._can = np.flatnonzero(
            [] if over else self._tongue.language.true(self._speakers, self.said)
        )
        self._place = 0

    def allowed(self) -> NDArray[np.bool_]:
        """(words,)."""
        mask = np.zeros(len(self._tongue.words), np.bool_)
        mask[self._tongue.rows[self._can, self._place]] = True
        mask[0] = self._place == 0
        return mask

    def hear(self, word: int) -> None:
        """A word was said; the end of the talk, too, may be told."""
        rows = self._tongue.rows
        self._can = self._can[rows[self._can, self._place] == word]
        self._place += 1
        if len(self._can) and rows[self._can[0], self._place] < 0:
            self.said.append(int(self._can[0]))
            self._next_sentence()


class WordModel(ABC):
    """Predicts the next word.

    Attributes:
        parameters: how many numbers it has learnt.
    """

    parameters: int = 0

    @abstractmethod
    def learn(self, spoken: Sequence[NDArray[np.int64]], **how: Any) -> None:
        """Learns from talks."""

    @abstractmethod
    def step(self, state: Any, word: int) -> tuple[Numbers, Any]:
        """The logarithm of how likely each word comes after this one, (words,), and a state."""


class Counts(WordModel):
    """Counts words, or pairs of them, and one more for each that there could be."""

    after: ClassVar[bool]

    def __init__(self, words: int) -> None:
        self._counts = np.ones((words if self.after else 1, words))
        self.parameters = self._counts.size

    def learn(self, spoken: Sequence[NDArray[np.int64]], **how: Any) -> None:
        """See `WordModel`."""
        for talk in spoken:
            before = talk[:-1] if self.after else np.zeros_like(talk[:-1])
            np.add.at(self._counts, (before, talk[1:]), 1.0)

    def step(self, state: Any, word: int) -> tuple[Numbers, Any]:
        """See `WordModel`."""
        counts = self._counts[word if self.after else 0]
        return np.log(counts / counts.sum()), None


class Unigram(Counts):
    """How often each word is said."""

    after = False


class Bigram(Counts):
    """How often each word is said after each other."""

    after = True


class Uniform(WordModel):
    """Knows nothing: guided, it is the grammar alone."""

    def __init__(self, words: int) -> None:
        self._even = np.full(words, -np.log(words))

    def learn(self, spoken: Sequence[NDArray[np.int64]], **how: Any) -> None:
        """See `WordModel`."""

    def step(self, state: Any, word: int) -> tuple[Numbers, Any]:
        """See `WordModel`."""
        return self._even, None


class Network(nn.Module):
    """A GRU over words."""

    def __init__(self, words: int, width: int = 16, hidden: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.gru = nn.GRU(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, words)

    def forward(self, spoken: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(talks, length) to log-likelihoods (talks, length, words), and the state."""
        found, state = self.gru(self.embed(spoken), state)
        return self.out(found).log_softmax(-1), state


class Gru(WordModel):
    """A GRU of a few thousand parameters (Cho et al. 2014)."""

    def __init__(self, words: int) -> None:
        with Generators(spread("words", 0)):
            self.network = Network(words)
        self._words = words
        self.parameters = sum(each.numel() for each in self.network.parameters())

    def learn(
        self,
        spoken: Sequence[NDArray[np.int64]],
        *,
        steps: int = 400,
        seed: int = 0,
        batch: int = 16,
        rate: float = 1e-2,
        should_stop: Callable[[], bool] = lambda: False,
        on_step: Callable[[int, int], None] = lambda done, total: None,
        **how: Any,
    ) -> None:
        """Learns by Adam, with a rate that falls to 0.

        Raises:
            KeyboardInterrupt: it was told to stop.
        """
        rng = np.random.default_rng(spread("word batches", seed))
        padded = torch.full((len(spoken), max(map(len, spoken))), -1)
        for row, talk in zip(padded, spoken, strict=True):
            row[: len(talk)] = torch.from_numpy(talk)
        with Generators(spread("words", seed)):
            self.network = Network(self._words)
            adam = torch.optim.Adam(self.network.parameters(), rate)
            for step in range(steps):
                if should_stop():
                    raise KeyboardInterrupt
                some = padded[torch.from_numpy(rng.integers(len(padded), size=batch))]
                told, _ = self.network(some[:, :-1].clamp_min(0))
                loss = nn.functional.nll_loss(
                    told.flatten(0, 1), some[:, 1:].flatten(), ignore_index=-1
                )
                for group in adam.param_groups:
                    group["lr"] = rate * (1.0 - step / steps)
                adam.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                adam.step()
                on_step(step + 1, steps)

    def step(self, state: Any, word: int) -> tuple[Numbers, Any]:
        """See `WordModel`."""
        with torch.inference_mode():
            told, state = self.network(torch.tensor([[word]]), state)
        return told[0, 0].double().numpy(), state


MODELS: Final[dict[ModelName, Callable[[int], WordModel]]] = {
    "gru": Gru,
    "bigram": Bigram,
    "unigram": Unigram,
    "grammar": Uniform,
}
"""What predicts words; `grammar` takes each that is allowed for equally likely."""


def perplexity(
    model: WordModel, tongue: Tongue, talks: Sequence[Talk], *, guided: bool = False
) -> float:
    """How many words it hesitates between, so to say: the exponential of the mean surprise.

    Args:
        model: that has learnt.
        tongue: the language's words.
        talks: that it has not learnt from.
        guided: whether it is told which words could be true.
    """
    surprise: list[float] = []
    for talk in talks:
        spoken, state, guide = tongue.encode(talk).tolist(), None, Guide(tongue, talk.speakers)
        for word, coming in pairwise(spoken):
            likely, state = model.step(state, word)
            if guided:
                likely = _guided(likely, guide.allowed())
                guide.hear(coming)
            surprise.append(-float(likely[coming]))
    return float(np.exp(np.mean(surprise)))


def make_words(
    model: WordModel, tongue: Tongue, speakers: int, seed: int, *, guided: bool = True
) -> list[int | None]:
    """A talk from a model: its sentences, None for one that the grammar does not have."""
    rng = np.random.default_rng(spread("made words", seed))
    guide, state, word = Guide(tongue, speakers), None, tongue.begin(speakers)
    spoken: list[int] = []
    for _ in range(tongue.language.longest * (tongue.rows.shape[1] - 1) + 1):
        likely, state = model.step(state, word)
        if guided:
            likely = _guided(likely, guide.allowed())
        word = int(rng.choice(len(likely), p=np.exp(likely) / np.exp(likely).sum()))
        if word == 0:
            break
        if guided:
            guide.hear(word)
        spoken.append(word)
    return tongue.decode(spoken)


class Judged(NamedTuple):
    """How well somebody talks.

    Attributes:
        sentences: how many. grammatical: the part of them that the grammar has.
        true: the part of all that is true when it is said.
    """

    sentences: int
    grammatical: float
    true: float


def judge(language: Language, talks: Sequence[tuple[int, Sequence[int | None]]]) -> Judged:
    """Asks the scenario of each sentence whether it is true, after all that was said before it.

    Args:
        language: knows.
        talks: the number of speakers of each, and the sentences.
    """
    count = grammatical = true = 0
    for speakers, said in talks:
        before: list[int] = []
        for sentence in said:
            count += 1
            if sentence is None:
                continue
            grammatical += 1
            true += bool(language.true(speakers, before)[sentence])
            before.append(sentence)
    return Judged(count, grammatical / max(count, 1), true / max(count, 1))


class WordsRecord(Model):
    """Schema of `words.json`.

    Attributes:
        format: the version of this format.
        scenario: whose people talk.
        transcripts: of how many meetings it has learnt. steps: gradient steps. seed: of everything.
        talks: what was made.
    """

    format: Literal[1] = 1
    scenario: Name = SCENARIO
    transcripts: Annotated[int, Field(ge=1, le=MOST)]
    steps: Annotated[int, Field(ge=1, le=STEPS)]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    talks: Annotated[list[MadeTalk], Field(min_length=1, max_length=MOST)]


def _guided(likely: Numbers, allowed: NDArray[np.bool_]) -> Numbers:
    found = np.where(allowed, likely, -np.inf)
    return np.asarray(found - np.logaddexp.reduce(found), np.float64)
