"""`ALS/Meeting-v0`: listen where one understands, ask back, and write down what was agreed upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import whole_number
from als_engine.navigation import Navigator
from als_engine.task import Act, Behaviour, Role, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.layout import Layout, rgb
from als_engine.world.speech import Verb
from als_engine.world.state import Quantity, WorldState
from als_scenarios.office.meeting import hearing, manners, minutes, taker, talk
from als_scenarios.office.meeting.boardroom import CLOTHES, Boardroom, voices
from als_scenarios.office.meeting.hearing import TAKER
from als_scenarios.office.meeting.language import Language
from als_scenarios.office.meeting.senses import Minutes, Notes, Talk
from als_scenarios.office.meeting.words import DAYS, FORMS, ITEMS, LETTERS, NAMES, TOPICS, sentence

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands, Possible
    from als_engine.sensors.base import Sensor

FEWEST, MOST = 4, 7
"""Of avatars: the note-taker and three to six speakers."""

WRITE_UP: Final = 120
"""So many steps after the last word the note-taker has to finish."""

PASS: Final = 0.75
"""From this F1 on the minutes are a success."""

_WALKS: Final = ("forward", "backward", "left", "right", "turn left", "turn right")
_PAPER, _PAGE = (244, 240, 222), (236, 242, 248)
_PALE: Final = 0.45


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight of each term of the reward.

    Attributes:
        minutes: for minutes whose F1 is 1, when they are handed in.
        understood: each decisive act that the note-taker understands.
        asked: each question that is answered.
        time: each step.
        written: shaping, for minutes whose F1 is 1 by what has been understood.
    """

    minutes: float = 10.0
    understood: float = 0.3
    asked: float = -0.05
    time: float = -0.002
    written: float = 2.0


WEIGHTS: Final = Weights()


class Meeting(Task):
    """A meeting at a round table: understand who is near, ask back, and write the minutes.

    ## Description

    Three to six speakers stand around a table and talk about the six items of an agenda. They
    propose that somebody does a task by some day, object, change the owner or the date, withdraw,
    agree, and talk small; they interrupt each other, so that sometimes two speak at once. The
    avatar takes the minutes. It understands a speaker only who is near, at most 2.1 m away, and
    faced, at most 40 degrees aside; of two such who speak at once, the one who is faced more
    directly. It has to listen to a sentence for ten steps to understand it, and a sentence takes 22
    to 36; in long meetings a little less. The others are a direction in the audio.

    The last act about an item says how it stands: it is an action item if that was an agreement,
    with the owner and the date that were named last. Whoever agrees names the task alone, so who
    has missed the proposal does not know what was agreed upon. A meeting has two to four action
    items; one or two more are withdrawn, or left open by an objection, some of them after they had
    been agreed upon.

    Asked "pardon", a speaker who is near, faced and silent says again the last of what the
    note-taker has missed of their proposals, objections and so on.

    Speakers who are not driven by the caller have their manners: one `attends` and turns to whoever
    speaks, one `paces` along the table, one `turns_away` until it speaks; in the validation split
    only, one `steps_back` from the table when others speak, in the test split only, one `presents`
    and walks towards the boards while it speaks. What they say is the level's script, also where
    the caller drives them: a speaker who is driven can only walk, to be understood better.

    Splits: eleven topics with six tasks each, of which six are met in training, two in
    validation and three in the test split only; the same goes for all phrasings.

    ## Observations

    By default `talk`, `notes`, `minutes`, `entities` and `proprioception`; for speakers without
    `notes`. All others of the engine on request: `audio` has all voices, in `text` stands the
    sentence that is understood, with its speaker's name, and the nearest board. Boards on the wall
    show the agenda and the minutes. Who speaks wears bright clothes, who is silent pale ones.

    - `talk`, float32 (69,): the sentence that is listened to, once it is understood, as numbers
      (act, owner, item, date, 0 before); where each speaker is and who speaks.
    - `notes`, float32 (96,): what follows from all that was understood: the last act about each
      item, and the owner and the date that were named last.
    - `minutes`, float32 (89,): the minutes, and the line that is being made.

    `senses` beside it has their columns. What was said and not understood is in none of them.

    ## Actions

    The engine's discrete, continuous or factored actions; a factored one walks and writes at once.
    Nobody has use for hands. The note-taker says "owner", "task" or "date" with a name, an item's
    letter or a day, which makes up a line; "write" puts it into the minutes in place of the line
    that the item has, "strike" takes that item's line out; "pardon" asks back; "done" hands the
    minutes in and counts once the meeting is over. `action_mask` rules out what has no effect.

    ## Rewards

    Shared by all; the weights are `WEIGHTS`:

    | term | reward |
    | --- | --- |
    | minutes | 10 times the F1 of the minutes, at the end |
    | understood | 0.3 for each decisive act that is understood, a tenth of it for each step of \
listening |
    | asked | -0.05 for each question that is answered |
    | time | -0.002 for each step |
    | shaping | change of the potential |

    A line is correct if it is about an action item and its owner and date are right, and counts
    half if one of the two is: recall is over all action items, precision over all lines, F1 their
    harmonic mean (Chinchor and Sundheim 1993). The potential is twice the F1 that the minutes have
    by what was understood so far, and 0 at the end (Ng, Harada and Russell 1999): added up, shaping
    is 0, and nothing before the end depends on what was not understood. The expert's return is
    about 12, that of random actions about 0.7.

    ## Episode end

    Terminated when the note-taker is done, or 120 steps after the last word; truncated after 600
    steps, which no meeting takes. The expert takes about 470. F1 from 0.75 on is a success.

    ## Arguments

    - `num_avatars` (5): 4 to 7, the note-taker and three to six speakers.

    ## Metrics

    - `success`: the episode has ended with an F1 of at least 0.75.
    - `f1`, `precision`, `recall`: of the minutes as they stand, 0 to 1.
    - `understood`: the share of decisive acts that was understood, 0 to 1.
    - `questions`: how often somebody has said something again.

    ## References

    - How action items are talked about: Purver, Ehlen and Niekrasz (2006); overlaps: Heldner and
      Edlund (2010); gaps: Levinson and Torreira (2015). See `als_scenarios.office.meeting.talk`.
    - How minutes are marked: Chinchor and Sundheim (1993); how near one talks: Hall (1966). See
      `minutes` and `hearing` beside it.

    ## Version history

    - v0: first version.
    """

    language = Language  # For `als make words`.
    default_sensors: ClassVar[tuple[str, ...]] = (
        "talk", "notes", "minutes", "entities", "proprioception",
    )  # fmt: skip
    utterances: ClassVar[Sequence[str | Verb]] = (
        Verb("owner", NAMES), Verb("task", LETTERS), Verb("date", DAYS),
        "write", "strike", "pardon", "done",
    )  # fmt: skip
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {
        "talk": Talk,
        "notes": Notes,
        "minutes": Minutes,
    }
    reward_names: ClassVar[tuple[str, ...]] = (
        "minutes", "understood", "asked", "time", "shaping",
    )  # fmt: skip

    def __init__(self, num_avatars: int = 5) -> None:
        """Makes the meeting.

        Raises:
            ArgumentError: there are too few or too many avatars.
        """
        super().__init__(whole_number("num_avatars", num_avatars, FEWEST, MOST))
        self._speakers = self.num_avatars - 1
        vivid = np.array([rgb(color) for color in CLOTHES[: self._speakers]], np.float64)
        self._vivid = vivid.astype(np.uint8)
        self._pale = (vivid + _PALE * (230.0 - vivid)).astype(np.uint8)
        # A cache of the way through each world's room; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """The note-taker comes first; all others speak."""
        sensors = [name for name in self.default_sensors if name != "notes"]
        speakers = [
            Role("speaker", Body(color=color, commands=_WALKS), sensors, ())
            for color in CLOTHES[: self._speakers]
        ]
        return [Role("note-taker", Body(color="white", commands=_WALKS)), *speakers]

    def quantities(self) -> Mapping[str, Quantity]:
        """The script, how it ends, what is said and understood now, and the minutes."""
        speakers, acts, items = (self._speakers,), (talk.MOST_ACTS,), (ITEMS,)
        return {
            "script": Quantity((*acts, talk.COLUMNS), np.int32),
            "topic": Quantity((), np.int32),
            "agenda": Quantity(items, np.int32),
            "over_at": Quantity((), np.int32),
            "truth": Quantity((*items, 2), np.int32),
            "seat": Quantity((self.num_avatars, 2)),
            "along": Quantity((self.num_avatars, 2)),
            "saying": Quantity(speakers, np.int32, NOTHING),  # Which act each speaker says now.
            "repeats": Quantity(speakers, np.int32, NOTHING),
            "repeats_until": Quantity(speakers, np.int64),
            "faced": Quantity(speakers, np.bool_),  # Near and faced by the note-taker.
            "listening": Quantity((), np.int32, NOTHING),  # To which speaker.
            "heard": Quantity(acts, np.int32),  # Steps for which each act was listened to.
            "shown": Quantity(speakers, np.int32, NOTHING),  # Acts that stand in `text`.
            "noted": Quantity((*items, 3), np.int32, NOTHING),
            "attention": Quantity(),
            "potential": Quantity(),
            "shaping": Quantity(),
            "asked": Quantity((), np.bool_),
            "questions": Quantity((), np.int64),
            "draft": Quantity((3,), np.int32, NOTHING),  # Owner, item, date.
            "lines": Quantity((*items, 2), np.int32, NOTHING),
            "finished": Quantity((), np.bool_),
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A meeting of the level's split, in a room of its own."""
        script = talk.draw(rng, split_of(level), self._speakers)
        everything = np.ones((1, talk.MOST_ACTS), np.bool_)
        truth = talk.agreed(talk.settled(script.rows[None], everything))[0]
        topic, empty = TOPICS[script.topic], np.full((ITEMS, 2), NOTHING, np.int32)
        room = Boardroom(rng)
        props, seats = room.props(), room.seats(self._speakers)
        spawns = room.spawns(seats)
        tasks = [topic.tasks[k] for k in script.agenda]
        texts = {
            "agenda 1": minutes.listed(topic.name, tasks, 0),
            "agenda 2": minutes.listed(topic.name, tasks, 1),
            "minutes 1": minutes.board(empty, 0),
            "minutes 2": minutes.board(empty, 1),
        }
        first = [spawns[0].position]
        return Layout(
            walls=room.furniture,
            props=props,
            signs=room.signs(texts, (_PAPER, _PAGE)),
            sounds=voices(seats),
            spawns=spawns,
            instruction=[
                "take the minutes: the owner, the task and the date of all that is agreed upon",
                *["talk, so that the minutes are right"] * self._speakers,
            ],
            quantities={
                "script": script.rows,
                "topic": script.topic,
                "agenda": script.agenda,
                "over_at": script.over_at,
                "truth": truth,
                "seat": np.concatenate([np.array(first), seats.position]),
                "along": np.concatenate([np.zeros((1, 2)), seats.along]),
            },
        )

    def concepts(self, layout: Layout) -> set[str]:
        """The topic and the phrasings of a level: no two splits share one."""
        script = np.asarray(layout.quantities["script"])
        said = script[script[:, talk.FORM] != NOTHING, talk.FORM].tolist()
        topic = TOPICS[int(np.asarray(layout.quantities["topic"]))]
        return {topic.name, *(FORMS[form].text for form in said)}

    # -- the meeting ------------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Looks who is faced, and who is there."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        self._navigator.refresh(worlds)
        state["faced"][worlds] = (hearing.faced(state) > 0.0)[worlds]
        state.avatars.color[worlds, 1:] = self._pale

    def after_step(self, state: WorldState) -> None:
        """Takes down what the note-taker says, lets the others speak, and what of it is heard."""
        said, slot = state.said_verb[:, TAKER], state.said_slot[:, TAKER]
        self._take_down(state, said, slot)
        cosine = hearing.faced(state)
        np.greater(cosine, 0.0, out=state["faced"])
        hearing.ask(state, said == taker.PARDON, cosine)
        hearing.speak(state)
        new = hearing.listen(state, cosine)
        if new.any():
            known = hearing.understood(state)[new]
            state["noted"][new] = talk.settled(state["script"][new], known)
        self._sound(state)
        over = state.step >= state["over_at"]
        late = state.step >= state["over_at"] + WRITE_UP
        state["finished"][:] = over & (said == taker.DONE) | late
        by_notes = minutes.marked(state["lines"], talk.agreed(state["noted"])).f1
        potential = np.where(_ends(state), 0.0, WEIGHTS.written * by_notes)
        np.subtract(potential, state["potential"], out=state["shaping"])
        state["potential"][:] = potential

    def _take_down(
        self, state: WorldState, said: NDArray[np.int32], slot: NDArray[np.int32]
    ) -> None:
        """Changes the line that is being made, and the minutes."""
        draft, lines = state["draft"], state["lines"]
        for column, verb in enumerate((taker.OWNER, taker.TASK, taker.DATE)):
            np.copyto(draft[:, column], slot, where=said == verb)
        writes = (said == taker.WRITE) & (draft != NOTHING).all(1)
        worlds = np.flatnonzero(writes | (said == taker.STRIKE) & (draft[:, 1] != NOTHING))
        if not worlds.size:
            return
        item = draft[worlds, 1]
        lines[worlds, item] = np.where(writes[worlds, None], draft[worlds][:, ::2], NOTHING)
        for world, half in zip(worlds.tolist(), (item // minutes.PER_BOARD).tolist(), strict=True):
            state.write(f"minutes {half + 1}", world, minutes.board(lines[world], half))

    def _sound(self, state: WorldState) -> None:
        """Lets voices sound where the speakers are; what is understood is told as text."""
        shown, sounds = hearing.taken_in(state), state.sounds
        for world, speaker in np.argwhere(shown != state["shown"]).tolist():
            act = int(shown[world, speaker])
            text = "" if act == NOTHING else self._sentence(state, world, act)
            state.say(NAMES[speaker], world, text)
        state["shown"][:] = shown
        speaks = state["saying"] != NOTHING
        sounds.on[:] = speaks
        sounds.position[..., :2] = state.avatars.position[:, 1:, :2]
        state.avatars.color[:, 1:] = np.where(speaks[..., None], self._vivid, self._pale)

    def _sentence(self, state: WorldState, world: int, act: int) -> str:
        row = state["script"][world, act].tolist()
        tasks, agenda = TOPICS[int(state["topic"][world])].tasks, state["agenda"][world]
        task = tasks[int(agenda[row[talk.ITEM]])]
        return sentence(row[talk.FORM], row[talk.SPEAKER], row[talk.OWNER], task, row[talk.DATE])

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms; shared by everyone in the room."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """What the minutes are worth, and what it took, weighted by `WEIGHTS`."""
        ends = _ends(state)
        f1 = np.zeros(state.num_worlds)
        if ends.any():
            f1[ends] = minutes.marked(state["lines"][ends], state["truth"][ends]).f1
        return {
            "minutes": self.everyone(WEIGHTS.minutes * f1),
            "understood": self.everyone(WEIGHTS.understood * state["attention"]),
            "asked": self.everyone(WEIGHTS.asked * state["asked"]),
            "time": self.everyone(np.full(state.num_worlds, WEIGHTS.time)),
            "shaping": self.everyone(state["shaping"]),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """The minutes have been handed in, or it is too late for them."""
        return np.asarray(state["finished"])

    def success(self, state: WorldState) -> BoolArray:
        """The minutes were good enough at the end."""
        f1 = minutes.marked(state["lines"], state["truth"]).f1
        return np.asarray(_ends(state) & (f1 >= PASS))

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """The marks of the minutes, and what was understood and asked."""
        marks = minutes.marked(state["lines"], state["truth"])
        acts = talk.decisive(state["script"])
        known = acts & hearing.understood(state)
        return {
            "f1": marks.f1,
            "precision": marks.precision,
            "recall": marks.recall,
            "understood": known.sum(1) / np.maximum(acts.sum(1), 1),
            "questions": state["questions"],
        }

    def action_mask(self, state: WorldState, possible: Possible) -> None:
        """Rules out names that nobody has, and what would change nothing."""
        say, table, draft = possible.say[:, TAKER], state.speech.sentence, state["draft"]
        say[:, table[taker.OWNER, self._speakers : len(NAMES)]] = False
        item = np.maximum(draft[:, 1], 0)
        written = state["lines"][np.arange(len(item)), item, 0] != NOTHING
        silent = state["faced"] & (state["saying"] == NOTHING)
        for verb, can in (
            (taker.WRITE, (draft != NOTHING).all(1)),
            (taker.STRIKE, written & (draft[:, 1] != NOTHING)),
            (taker.PARDON, silent.any(1)),
            (taker.DONE, state.step >= state["over_at"]),
        ):
            say[:, table[verb, 0]] &= can

    # -- who does what ----------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The manners of speakers; `steps_back` and `presents` are held out of training."""
        return {
            "attends": Behaviour(self._finding(manners.attends)),
            "paces": Behaviour(self._finding(manners.paces)),
            "turns_away": Behaviour(self._finding(manners.turns_away)),
            "steps_back": Behaviour(self._finding(manners.steps_back), splits=("validation",)),
            "presents": Behaviour(self._finding(manners.presents), splits=("test",)),
        }

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Goes to whoever speaks next, asks back, and writes; speakers attend."""
        self._play(taker.expert, state, who, commands)

    def heuristics(self) -> Mapping[str, Act]:
        """Two rules that know only what was understood."""
        return {
            "last-utterance": partial(self._play, taker.last_utterance),
            "follow-the-voice": partial(self._play, taker.follow_the_voice),
        }

    def _play(
        self, rule: manners.Manner, state: WorldState, who: BoolArray, commands: Commands
    ) -> None:
        """Lets the note-taker go by a rule, and whoever else is to be driven attend."""
        assert self._navigator is not None
        if who[:, 1:].any():
            others = who.copy()
            others[:, TAKER] = False
            manners.attends(state, others, commands, self._navigator)
        rule(state, who, commands, self._navigator)

    def _finding(self, manner: manners.Manner) -> Act:
        return partial(self._with_navigator, manner)

    def _with_navigator(
        self, manner: manners.Manner, state: WorldState, who: BoolArray, commands: Commands
    ) -> None:
        assert self._navigator is not None
        manner(state, who, commands, self._navigator)


def _ends(state: WorldState) -> BoolArray:
    """Whether this step is the last of its episode, (worlds,)."""
    return np.asarray(state["finished"] | (state.step >= state.max_episode_steps))
