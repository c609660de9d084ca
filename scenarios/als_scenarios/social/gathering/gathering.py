"""`ALS/Gathering-v0`: a host reads its guests' moods, introduces them, and minds a private door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.navigation import Navigator
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Outcomes, Role, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.body import LOCOMOTION
from als_engine.world.layout import SOUND_BANDS, Layout
from als_engine.world.speech import Verb
from als_engine.world.state import Quantity, WorldState
from als_scenarios.social.gathering import evening, host, manners
from als_scenarios.social.gathering.company import CompanySense, Portraits
from als_scenarios.social.gathering.cues import express, first_look, perceive
from als_scenarios.social.gathering.door import INSIDE, WAITING, is_genuine
from als_scenarios.social.gathering.errands import plan
from als_scenarios.social.gathering.evening import INVITED, NEVER
from als_scenarios.social.gathering.faces import show_faces
from als_scenarios.social.gathering.feelings import drift, homes, rename, well_being
from als_scenarios.social.gathering.house import CLOTHES, PLACES, House, faces, voices, windows
from als_scenarios.social.gathering.people import IS_WOMAN, NAMES
from als_scenarios.social.gathering.words import GUEST_SAYS, HOST_SAYS, SAYS, listen

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

CONTENT: Final = 0.6
"""The well-being of all guests together that a good party ends with."""

WELL_BEING, WRONG_MOOD, IDLE = 20.0, -0.3, -0.01
"""The reward of the mean well-being's change (0 to 1), of a mood that is told wrongly, and of a
remark that nobody is there for or that says nothing new; those of the door are in `words`."""

_HOST_COLOR: Final = (30, 30, 38)
_DRAWS: Final = 1
_JUMP: Final = 0.5
"""The part of a mishap that a guest feels at once."""


class Gathering(Task):
    """A party: the host reads moods, introduces and comforts, and keeps impostors out.

    ## Description

    A room with a buffet and a sofa, and beside it a private room behind a door. The first avatar is
    the host, in black; three to six others are guests. A guest is one of 48 people, each with a
    voice (a spectrum over 8 octave bands) and a gait (walking speed and sway). Clothes differ from
    level to level, and every guest changes them once in an evening: they tell nothing.

    What guests feel is hidden: valence and arousal, with a mood for each quadrant (happy, angry,
    sad, calm). A feeling returns to a home base, wanders by chance, and is caught by others nearby.
    Something weighs on four guests of ten at first, and two mishaps happen later. Whoever knows
    nobody is lonely. Moods are shown by face, gait and voice, but not always by all three: a cue
    may tell the mood, tell nothing, or feign good cheer. Which cues do what is a guest's own.

    The host speaks to the nearest guest within 1.8 m and 60 degrees ahead. "you seem sad" (or
    another mood), if that is right, takes the burden away; if it is wrong, it hurts. Then the guest
    does not want to hear about it for 5 s. "introduce" makes all guests within 1.7 m of the host
    acquainted.

    Three or four guests go to the private door in turn and say who they are: "i am Alice". The
    names on the list beside it may enter; some who say one are impostors, who take the name of an
    absent person of their own sex. The host, within 2.4 m, says "admit" or "refuse". Whoever is
    not answered gives up after 7 s. The host knows portraits of the invited: usual voice and gait.

    Guests talk now and then; a voice varies with the mood and from utterance to utterance, and is
    made out within 3 m. Their manners: one `mingles`, one `clings` to the buffet, one `circles` the
    carpet; in the validation split one also `keeps apart`, in the test split one `shadows` another.

    Splits: 24 people for training, 12 for validation, 12 for the test split. Training has six
    combinations of cues; validation has face with voice, and gait with voice; in the test split
    gait and one of face and voice tell the mood while the other feigns. No split has another's.

    Feelings follow the DynAffect model of Kuppens, Oravecz and Tuerlinckx (2010), with contagion by
    Bosse et al. (2009); voices start from Byrne et al. (1994) and ANSI S3.5-1997, gaits from
    Bohannon and Andrews (2011); what moods do to them from Banse and Scherer (1996) and Michalak et
    al. (2009). The modules `feelings`, `people` and `cues` have equations and sources in full.

    ## Observations

    By default `company`, `entities` and `proprioception` for the host. `company` is float32 (6,
    37), a row for each guest: where it is, whether it would be spoken to, what its face shows, its
    gait as seen and its voice as heard so far, its acquaintances, where it stands with the door,
    and the portrait of whom it claims to be. `portraits`, float32 (4, 10), has those of all
    invited, in the order of the list. `company.CompanySense` names every column and its range.
    Guests see 0.

    `audio` hears the voices themselves, `rgb` sees the faces. Guests driven by the caller observe
    `entities`, `text` and `proprioception`; their instruction says who they are to be.

    ## Actions

    The engine's discrete, continuous or factored actions. Nobody uses hands. The host says "admit",
    "refuse", "introduce" and "you seem happy", "angry", "sad" or "calm". Guests say "i am" with one
    of 48 names, "thank you", "that hurts" and "hello".

    ## Rewards

    The host's, in three terms:

    | term | reward |
    | --- | --- |
    | `well-being`: change of the guests' mean well-being, (valence + 1) / 2 | 20 |
    | `door`: an invited person let in, an impostor turned away | +1 |
    | `door`: an impostor let in; an invited person turned away | -2 |
    | `door`: an invited person left waiting | -1 |
    | `mistakes`: a mood told wrongly | -0.3 |
    | `mistakes`: a remark with no one to hear it, or that says nothing new | -0.01 |

    A guest's are 20 times the change of its own well-being, +1 when it is let in, and -1 when it is
    turned away or gives up. The expert's return is about 9, that of random actions about -6.

    ## Episode end

    Truncated after 520 steps. It is a success when no impostor was let in, no invited person was
    turned away or left waiting, and the guests' mean well-being is at least 0.6.

    ## Arguments

    - `num_avatars` (7): 4 to 7, the host and guests.

    ## Metrics

    - `success`: see above; False until the time is up.
    - `mood_recognised`: the share of moods told that were right; 0 where none was told.
    - `equal_error_rate`: the mean of the share of impostors let in and the share of invited persons
      turned away, among those answered; a kind of which none was answered counts as 0.5, which is
      chance. It estimates the rate at which both errors are equal, as in speaker verification
      (Martin et al. 1997, "The DET curve in assessment of detection task performance"), from one
      threshold. Over many episodes, add up the counts below first.
    - `well_being`: the mean of (valence + 1) / 2 over the guests, now.
    - `troubles_eased`: the share of burdens that the host took away.
    - `moods_told`: how many moods were told.
    - `impostors_answered`, `false_accepts`: impostors answered, and let in.
    - `invited_answered`, `false_rejects`: invited persons answered, and turned away.
    - `left_waiting`: invited persons who gave up.
    - `introductions`: pairs who were made acquainted.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("company", "entities", "proprioception")
    utterances: ClassVar[Sequence[str | Verb]] = SAYS
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {
        "company": CompanySense, "portraits": Portraits,
    }  # fmt: skip
    reward_names: ClassVar[tuple[str, ...]] = ("well-being", "door", "mistakes")

    def __init__(self, num_avatars: int = 7) -> None:
        super().__init__(num_avatars)
        # A cache of the ways through each world's house; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """The host comes first; everybody else is a guest."""
        walks = LOCOMOTION[1:]
        guest = Role(
            "guest", Body(color=CLOTHES[0], commands=walks),
            ("entities", "text", "proprioception"), GUEST_SAYS,
        )  # fmt: skip
        mind = Role("host", Body(color=_HOST_COLOR, commands=walks), None, HOST_SAYS)
        return [mind, *[guest] * (self.num_avatars - 1)]

    def quantities(self) -> Mapping[str, Quantity]:
        """Who is who, what everybody feels, shows and wants, and what this step brought."""
        n = self.num_avatars - 1
        each, pair = (n,), (n, 2)
        counts = (
            "false_accepts", "false_rejects", "right_entries", "right_refusals", "left_waiting",
            "moods_told", "moods_right", "eased", "troubles", "introductions",
        )  # fmt: skip
        flags = ("admitted_now", "refused_now", "gave_up_now")
        return {
            # The house and the level's plan.
            "side": Quantity(),
            "places": Quantity((PLACES, 2)),
            "person": Quantity(each, np.int16),
            "invited": Quantity((INVITED,), np.int16),
            "claims": Quantity(each, np.int8, NOTHING),
            "due": Quantity(each, np.int32, NEVER),
            "errand": Quantity(each, np.int32),
            "clothes": Quantity(each, np.int8),
            "changes_at": Quantity(each, np.int32, NEVER),
            # Feelings.
            "temper": Quantity(pair),
            "burden": Quantity(pair),
            "feeling": Quantity(pair),
            "mood": Quantity(each, np.int8),
            "openness": Quantity(each),
            "vividness": Quantity(each),
            "knows": Quantity((n, n), np.bool_, False),
            "mishap_at": Quantity(each, np.int32, NEVER),
            "mishap": Quantity(pair),
            "listens_at": Quantity(each, np.int32),
            # Cues.
            "combination": Quantity(each, np.int8),
            "cues": Quantity((n, 3), np.int8),
            "manner": Quantity(pair),
            "face": Quantity(pair),
            "looks": Quantity(each, np.int8, NOTHING),
            "drawn_face": Quantity(each, np.int8, NOTHING),
            "gait": Quantity(pair),
            "voice": Quantity((n, SOUND_BANDS)),
            "talks_until": Quantity(each, np.int32),
            "heard": Quantity((n, SOUND_BANDS)),
            "heard_for": Quantity(each, np.int32),
            "seen": Quantity(pair),
            "walked_for": Quantity(each, np.int32),
            # The door, and the books.
            "stage": Quantity(each, np.int8),
            "claimed": Quantity(each, np.int8, NOTHING),
            "since": Quantity(each, np.int32),
            "reply": Quantity(each, np.int8, NOTHING),
            "busy": Quantity(each, np.bool_, False),
            "goal": Quantity(pair),
            "says": Quantity(each, np.int32, NOTHING),
            "neighbour": Quantity((n + 1, 2)),
            "pace": Quantity((n + 1,)),
            "swing": Quantity(each),
            "door_now": Quantity(),
            "idle_now": Quantity((), np.bool_, False),
            "wrong_now": Quantity((), np.bool_, False),
            **{name: Quantity(each, np.bool_, False) for name in flags},
            **{name: Quantity((), np.int32) for name in counts},
            "content": Quantity(each),
            "gained": Quantity(each),
        }

    def concepts(self, layout: Layout) -> set[int]:
        """Whom a level is about, and by which combinations of cues they show their moods."""
        people = np.concatenate([layout.quantities["person"], layout.quantities["invited"]])
        combinations = len(NAMES) + np.asarray(layout.quantities["combination"])
        return {*people.tolist(), *combinations.tolist()}

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """People of the level's split in a house of its own."""
        guests = self.num_avatars - 1
        house = House(rng)
        house.spots()
        drawn = evening.draw(rng, guests, split_of(level))
        invited = [NAMES[i] for i in drawn["invited"].tolist()]
        return Layout(
            walls=house.walls,
            props=house.props,
            signs=house.signs(invited),
            sounds=voices(guests),
            screens={**faces(drawn["drawn_face"].tolist()), **windows(house)},
            spawns=house.spawns(guests),
            instruction=[_told_host(invited), *(_told_guest(drawn, i) for i in range(guests))],
            quantities={**drawn, "side": house.side, "places": house.places},
        )

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Lets everybody put on clothes and show a first face, and looks at the house."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state, through_doors=True)
        self._navigator.refresh(worlds)
        state.avatars.color[worlds, 0] = _HOST_COLOR
        state.avatars.color[worlds, 1:] = np.array(CLOTHES)[state["clothes"][worlds]]
        state["content"][worlds] = well_being(state["feeling"][worlds])
        first_look(state, worlds)
        plan(state)

    def after_step(self, state: WorldState) -> None:
        """Carries out what was said; then feelings move on, and show."""
        guests = self.num_avatars - 1
        draws = state.uniform(_DRAWS, (guests, 12))
        listen(state)
        self._suffer(state)
        feeling = state["feeling"]
        home = homes(state["temper"], state["burden"], state["knows"])
        drift(
            feeling, home, state["openness"], state["vividness"],
            state.avatars.position[:, 1:], state["stage"] == INSIDE, draws[..., :2],
            state.time_step,
        )  # fmt: skip
        rename(feeling, state["mood"])
        express(state, draws[..., 2:])
        perceive(state)
        show_faces(state)
        plan(state)
        content = well_being(feeling)
        np.subtract(content, state["content"], out=state["gained"])
        state["content"][:] = content

    def _suffer(self, state: WorldState) -> None:
        """Lets mishaps happen, and guests change their clothes."""
        now = state.step[:, None]
        struck = state["mishap_at"] == now
        if struck.any():
            state["troubles"][:] += struck.sum(1, dtype=np.int32)
            state["burden"][struck] = state["mishap"][struck]
            state["feeling"][struck] += _JUMP * state["mishap"][struck]
        changes = state["changes_at"] == now
        if changes.any():
            worn = state["clothes"]
            worn[changes] = (worn[changes] + 3) % len(CLOTHES)
            state.avatars.color[:, 1:][changes] = np.array(CLOTHES)[worn[changes]]

    # -- what it is worth -------------------------------------------------------------------------

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """The host's: everybody's well-being, the door and its mistakes; a guest's: its own."""
        terms = {name: np.zeros((state.num_worlds, self.num_avatars)) for name in self.reward_names}
        gained = state["gained"]
        spurned = state["refused_now"] | state["gave_up_now"]
        terms["well-being"][:, 0] = WELL_BEING * gained.mean(1)
        terms["well-being"][:, 1:] = WELL_BEING * gained
        terms["door"][:, 0] = state["door_now"]
        terms["door"][:, 1:] = 1.0 * state["admitted_now"] - spurned
        terms["mistakes"][:, 0] = WRONG_MOOD * state["wrong_now"] + IDLE * state["idle_now"]
        return terms

    def success(self, state: WorldState) -> BoolArray:
        """The party is over, nobody was mistaken for another or left waiting, all are content."""
        mistaken = state["false_accepts"] + state["false_rejects"] + state["left_waiting"]
        unanswered = ((state["stage"] == WAITING) & is_genuine(state)).any(1)
        over = state.step >= state.max_episode_steps
        return np.asarray(
            over & (mistaken == 0) & ~unanswered & (state["content"].mean(1) >= CONTENT)
        )

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """Moods recognised, errors of identity, well-being, and the numbers behind them."""
        told, right = state["moods_told"], state["moods_right"]
        impostors = state["false_accepts"] + state["right_refusals"]
        invited = state["false_rejects"] + state["right_entries"]
        # Where nobody of a kind was answered, nothing was told apart: as good as chance.
        accepts = np.where(impostors, state["false_accepts"] / np.maximum(impostors, 1), 0.5)
        rejects = np.where(invited, state["false_rejects"] / np.maximum(invited, 1), 0.5)
        return {
            "mood_recognised": right / np.maximum(told, 1),
            "equal_error_rate": (accepts + rejects) / 2,
            "well_being": state["content"].mean(1),
            "troubles_eased": state["eased"] / np.maximum(state["troubles"], 1),
            "moods_told": told,
            "impostors_answered": impostors,
            "false_accepts": state["false_accepts"],
            "invited_answered": invited,
            "false_rejects": state["false_rejects"],
            "left_waiting": state["left_waiting"],
            "introductions": state["introductions"],
        }

    def outcomes(self, state: WorldState) -> Outcomes:
        """How well each guest is in the end, women and men apart."""
        groups = np.where(IS_WOMAN[state["person"]], 0, 1)
        return Outcomes("well-being", ("women", "men"), groups, state["content"])

    # -- the people -------------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """Manners of guests, and a host who minds the door alone."""
        met: dict[str, tuple[manners.Manner, tuple[Any, ...]]] = {
            "mingles": (manners.mingles, ("train", "validation", "test")),
            "clings": (manners.clings, ("train", "validation", "test")),
            "circles": (manners.circles, ("train", "validation", "test")),
            "keeps apart": (manners.keeps_apart, ("validation",)),
            "shadows": (manners.shadows, ("test",)),
        }
        found = {
            name: Behaviour(partial(self._behave, manner), ("guest",), splits)
            for name, (manner, splits) in met.items()
        }
        found["minds the door"] = Behaviour(partial(self._receive, host.knowing_nobody), ("host",))
        return found

    def _behave(
        self, manner: manners.Manner, state: WorldState, who: BoolArray, commands: Commands
    ) -> None:
        assert self._navigator is not None
        manners.behave(manner, state, who, commands, self._navigator)

    def _receive(
        self,
        belief: Callable[[WorldState], host.Judgement],
        state: WorldState,
        who: BoolArray,
        commands: Commands,
    ) -> None:
        assert self._navigator is not None
        guests = who.copy()
        guests[:, 0] = False
        if guests.any():
            manners.behave(manners.mingles, state, guests, commands, self._navigator)
        host.receive(state, who, commands, self._navigator, belief(state))

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Reads moods, identities and acquaintances; guests mingle."""
        self._receive(host.knowing, state, who, commands)

    def heuristics(self) -> Mapping[str, Act]:
        """Rules that know the portraits, and what they hear and see."""
        return {
            "nearest-portrait": partial(self._receive, host.by_sight),
            "voice-only": partial(self._receive, host.knowing_nobody),
        }


def _told_host(invited: Sequence[str]) -> str:
    names = f"{', '.join(invited[:-1])} and {invited[-1]}"
    return f"introduce and comfort your guests, and let only {names} into the private room"


def _told_guest(drawn: Mapping[str, Any], guest: int) -> str:
    claims = int(drawn["claims"][guest])
    you = f"you are {NAMES[int(drawn['person'][guest])]}"
    if claims == NOTHING:
        return f"{you}: enjoy the party"
    name = NAMES[int(drawn["invited"][claims])]
    return f"{you}: go to the private door and say that you are {name}"
