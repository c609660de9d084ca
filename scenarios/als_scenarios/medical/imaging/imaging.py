"""`ALS/Imaging-v0`: read scans of real patients' cell nuclei in a reading room, and file them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import one_of, whole_number
from als_engine.navigation import Navigator
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Role, Split, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.layout import Layout
from als_engine.world.state import Quantity, WorldState
from als_scenarios.medical.imaging import people
from als_scenarios.medical.imaging.reading_room import (
    BOARD,
    LAMPS,
    LIGHTBOX,
    PHONE,
    READER,
    TRAYS,
    VOICE,
    board_text,
    reading_room,
)
from als_scenarios.medical.imaging.scanners import NAMES, OF_SPLIT
from als_scenarios.medical.imaging.scans import scans
from als_scenarios.medical.imaging.scores import (
    BIOPSY,
    FOLLOW_UP,
    NOT_FILED,
    ROUTINE,
    auroc,
    sensitivity_at,
    tally,
)
from als_scenarios.medical.imaging.verdicts import (
    WEIGHTS,
    after_opinion,
    size_limit,
    terms,
    worth_asking,
)
from als_scenarios.medical.imaging.view import Scan, looks
from als_scenarios.medical.imaging.worklist import LEAST_LABELLED, MOST_LABELLED, OWN, draw
from als_scenarios.medical.patients import NUM_PANELS, malignancy, patients

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

LEAST_CASES, MOST_CASES = 2, 12
PASS: Final = 0.75
"""The share of cases that has to be filed rightly for a success."""


class Imaging(Task):
    """A reading room: look at scans of cell nuclei, and file each as routine, follow-up or biopsy.

    ## Description

    A lightbox shows one scan after the other, eight in a session. Each is a picture of the cell
    nuclei in a fine needle aspirate of a breast lump. The reader files it by using (the action
    `use`, within 0.9 m) one of three trays: green "routine" to the left, yellow "follow-up"
    behind, red "biopsy" to the right, as a reading place in a clinic sorts cases by suspicion
    (BI-RADS: benign, probably benign, suspicious). The next scan appears at once. A tray takes a
    case only after the reader has looked at it: within 1.7 m of the lightbox, at most 50 degrees
    aside of it, facing it within 30 degrees.

    To each side of the lightbox hang four labelled cases from the same scanner, benign ones in the
    west and malignant ones in the east. Whoever uses the phone gets a second opinion
    on the scan that is on, once for each and at a cost: a voice says it, a board shows it, and a
    green or red lamp beside the lightbox lights up. It is right as often as fine needle aspiration
    is in 46 studies: sensitivity 0.927, specificity 0.948 (Yu, Wei and Liu 2012,
    https://doi.org/10.1186/1471-2407-12-41), whatever the scan looks like.

    The patients are the 569 of the Wisconsin Diagnostic Breast Cancer data (Street, Wolberg and
    Mangasarian 1993; UCI Machine Learning Repository, https://doi.org/10.24432/C5DW2B, CC BY 4.0);
    212 are malignant. Their own pictures are not published. A scan is drawn from the thirty
    measurements: nine nuclei with the patient's mean and worst radius, texture, smoothness,
    compactness, concavity, concave points, symmetry and fractal dimension (see
    `als_scenarios.medical.imaging.nuclei`). Every level shows another part of the slide, so a
    patient never looks the same twice. Scanners differ in tones, contrast, blur, grain, vignette
    and bands; stain and light vary from scan to scan, so brightness alone tells little.

    The first avatar is the reader, all others are colleagues. Colleagues whom the caller drives
    share the reward and may use the phone; trays take nothing from them. The others are
    background: a technician who `restocks` the trays, a colleague who `reads` the labelled cases,
    one who `paces`; in the validation split also a student who `watches` over the reader's
    shoulder, in the test split a porter who `passes` before the lightbox. They are only in the way.

    Splits: patients are those of `ALS/Diagnosis-v0`, 341 for training, 58 for validation, 170 for
    the test split. Four scanners are in training ("rose", "mint", "amber", "grey"), "violet" is
    in the validation split only and "dusk" in the test split only. Labelled cases on the walls are
    training's patients everywhere, in the style of the level's own scanner: they show what a new
    scanner does to cases that are known. A quarter to half of a worklist is malignant.

    What has to be learnt is to see: everything else here is three steps to a tray. Scans without
    labels are plenty (every view differs, and looking costs next to nothing), but `labelled`
    can make patients scarce whose truth the reward ever tells. Encoders that were pretrained on
    pictures can so be compared with fresh ones at 40, 100 or 341 labelled patients, on patients
    and a scanner that neither has met.

    ## Observations

    By default `rgb`, `text` and `proprioception`. At 64 by 64 pixels the scan fills four fifths of
    the width of the view from the reading place, where the session begins. The measurements
    themselves are never observed. The scenario's own sensor, `scan`, is a shortcut for learners on
    small machines: uint8 (48, 48, 3), the lightbox alone and straight, for who looks at it as
    above, and black for who does not. With `entities` and `proprioception` it is all that is
    needed: trays, phone, lamps and the reading mat are props that differ by `identity` and colour.
    `text` has the instruction, the second opinion when it is spoken, and the nearest sign: the
    board, or the name of a tray.

    ## Actions

    The engine's discrete, continuous or factored actions; walking, turning and `use` are all it
    takes. Avatars can say "benign", "malignant" and "not sure" to each other.
    ## Rewards

    Shared by all; the terms are `right`, `missed`, `alarm`, `follow_up`, `opinions` and `time`,
    their weights are `WEIGHTS`:

    | | benign | malignant |
    | --- | --- | --- |
    | filed as routine | +1 | -3 (missed) |
    | filed for follow-up | +0.5 | -0.3 |
    | filed for biopsy | -0.3 (alarm) | +1 |
    | second opinion | -0.15 | -0.15 |
    | step | -0.002 | -0.002 |

    A missed malignancy is the dearest mistake, as everywhere in screening, and follow-up the choice
    of who is unsure: these weights make it best between probabilities of malignancy of 0.16 and
    0.38. (BI-RADS draws the lower line at 0.02; there most lumps are benign.) Filing everything for
    biopsy earns 0.19 a case, all as routine loses 0.5, so that filing pays from the start. An
    expert's return is about 7.2, that of random actions about -0.9.

    ## Episode end

    Terminated when all cases are filed; truncated after 480 steps. The expert takes about 190
    (continuous) to 260 (discrete). It is a success when all cases are filed, three quarters of them
    rightly (malignant for biopsy, benign as routine), and no malignancy as routine.

    ## Arguments

    - `num_cases` (8): 2 to 12 scans to read in a session.
    - `labelled` (341): 40 to 341, how many training patients training levels and the walls have.
      The order is fixed and 37 % are malignant throughout. Held-out splits keep all their patients.
    - `scanner` ("own"): one of training's scanners for all splits, so that new patients can be told
      from a new scanner; "own" for those of each split.
    - `num_avatars` (2): 1 to 3, a reader and colleagues.

    ## Metrics

    One session is coarse: add the counts of many up before scores are reported
    (`als_scenarios.medical.imaging.scores`). What is not filed counts in no count.

    - `success`: see above.
    - `auroc`: how often a malignant case is filed above a benign one, over all pairs of the
      session; the same category counts as half. Cases that are not filed count as follow-up.
    - `sensitivity_at_95_specificity`: the height of that ROC, straight between its points, at a
      share of false alarms of 0.05; cases that are not filed as above.
    - `accuracy`: the share of all cases that is filed rightly.
    - `filed`: cases filed so far.
    - `true_positives`, `false_negatives`: malignant cases filed for biopsy, as routine.
    - `true_negatives`, `false_positives`: benign cases filed as routine, for biopsy.
    - `malignant_follow_ups`, `benign_follow_ups`: cases filed for follow-up.
    - `opinions`: second opinions asked for.
    - `cost`: what opinions and time have cost so far, in units of reward.

    ## References

    - Street, Wolberg, Mangasarian (1993): Nuclear feature extraction for breast tumor diagnosis,
      https://doi.org/10.1117/12.148698.
    - Hanley, McNeil (1982): the area under an ROC and ties,
      https://doi.org/10.1148/radiology.143.1.7063747.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("rgb", "text", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = ("benign", "malignant", "not sure")
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"scan": Scan}
    reward_names: ClassVar[tuple[str, ...]] = (
        "right", "missed", "alarm", "follow_up", "opinions", "time",
    )  # fmt: skip

    def __init__(
        self,
        num_avatars: int = 2,
        num_cases: int = 8,
        labelled: int = MOST_LABELLED,
        scanner: str = OWN,
    ) -> None:
        """Makes the reading room.

        Raises:
            ArgumentError: an argument is out of its range.
        """
        super().__init__(num_avatars)
        self.num_cases = whole_number("num_cases", num_cases, LEAST_CASES, MOST_CASES)
        self.labelled = whole_number("labelled", labelled, LEAST_LABELLED, MOST_LABELLED)
        self.scanner = one_of("scanner", scanner, (OWN, *OF_SPLIT["train"]))
        # A cache of the ways through each world's room; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """The reader comes first; everybody else is a colleague."""
        colleague = Role("colleague", Body(color="teal"))
        return [Role("reader", Body(color="white")), *[colleague] * (self.num_avatars - 1)]

    def quantities(self) -> Mapping[str, Quantity]:
        """The worklist, what has been done about it, and what this step brought."""
        cases = (self.num_cases,)
        return {
            "scanner": Quantity((), np.int8),
            "patient": Quantity(cases, np.int32),
            "view": Quantity(cases, np.int64),
            "opinion": Quantity(cases, np.bool_),  # Whether it says malignant.
            "asked": Quantity(cases, np.bool_, False),
            "filed": Quantity(cases, np.int8, NOT_FILED),
            "current": Quantity((), np.int32),  # Also how many are filed.
            "seen": Quantity((), np.bool_, False),  # The reader has looked at the case that is on.
            "filed_now": Quantity((), np.int8, NOT_FILED),
            "ill_now": Quantity((), np.bool_, False),
            "asked_now": Quantity((), np.bool_, False),
            "errand": Quantity((self.num_avatars,), np.int32),
        }

    def concepts(self, layout: Layout) -> set[Hashable]:
        """Whose scans a level has, and the scanner, unless the user has chosen one."""
        about: set[Hashable] = set(np.asarray(layout.quantities["patient"]).tolist())
        if self.scanner == OWN:
            about.add(NAMES[int(np.asarray(layout.quantities["scanner"]))])
        return about

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A worklist of the level's split in a reading room of its own."""
        worklist = draw(rng, split_of(level), self.num_cases, self.labelled, self.scanner)
        room = reading_room(rng, self.num_avatars, worklist)
        errand = rng.integers(12 * people.LEG_STEPS, size=self.num_avatars)
        names = ("scanner", "patient", "view", "opinion")
        about = {name: getattr(worklist, name) for name in names}
        return replace(room, quantities={**about, "errand": errand})

    # -- reading ----------------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Looks whether the reader sees the first case already."""
        state["seen"][worlds] = looks(state)[worlds, READER]
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        self._navigator.refresh(worlds)

    def after_step(self, state: WorldState) -> None:
        """Carries out what was used: the phone answers, then a tray takes the case."""
        used, current, rows = state.events.used, state["current"], np.arange(state.num_worlds)
        on, case = current < self.num_cases, self._case(state)
        phones = ((used == PHONE) & (state.behaviour == NOTHING)).any(1)
        asks = phones & on & ~state["asked"][rows, case]
        tray = used[:, READER]
        files = on & state["seen"] & (tray >= 0) & (tray < len(TRAYS))
        state["asked_now"][:] = asks
        state["filed_now"][:] = np.where(files, tray, NOT_FILED)
        if asks.any():
            state["asked"][asks, case[asks]] = True
            self._answer(state, np.flatnonzero(asks & ~files))
        if files.any():
            patient = state["patient"][rows, case]
            state["ill_now"][:] = patients().malignant[patient]
            state["filed"][files, case[files]] = tray[files]
            current += files
            state["seen"][files] = False
            self._show_next(state, np.flatnonzero(files))
        state["seen"][:] |= looks(state)[:, READER]

    def _case(self, state: WorldState) -> NDArray[np.intp]:
        """The index of the case that is on, (worlds,); at the end the last one."""
        return np.asarray(np.minimum(state["current"], self.num_cases - 1), np.intp)

    def _answer(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Says, writes and shows the second opinion."""
        for world in worlds.tolist():
            case = int(state["current"][world])
            ill = bool(state["opinion"][world, case])
            verdict = "malignant" if ill else "benign"
            state.write(BOARD, world, board_text(case, self.num_cases, verdict.upper()))
            state.say(VOICE, world, f"second opinion: {verdict}")
            state.show(LAMPS[ill], world)

    def _show_next(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Puts the next case on the lightbox, or switches it off after the last."""
        current = state["current"][worlds]
        more = current < self.num_cases
        on, case = worlds[more], current[more]
        if len(on):
            pictures = scans(
                state["patient"][on, case], state["view"][on, case], state["scanner"][on]
            )
            state.display(LIGHTBOX, on, pictures)
        if len(worlds) > len(on):
            state.display(LIGHTBOX, worlds[~more], None)
        for world, number in zip(worlds.tolist(), current.tolist(), strict=True):
            state.write(BOARD, world, board_text(number, self.num_cases))
        told = worlds[state["asked"][worlds, current - 1]]
        if len(told):
            state.say(VOICE, told, "")
            for lamp in LAMPS:
                state.show(lamp, told, False)

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms; shared by everyone who reads."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """What filing was worth and what it cost, weighted by `WEIGHTS`."""
        filing = terms(state["filed_now"], state["ill_now"])
        return {
            **{name: self.everyone(values) for name, values in filing.items()},
            "opinions": self.everyone(WEIGHTS.opinion * state["asked_now"]),
            "time": self.everyone(np.full(state.num_worlds, WEIGHTS.step)),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """All cases are filed."""
        return np.asarray(state["current"] >= self.num_cases)

    def success(self, state: WorldState) -> BoolArray:
        """All are filed, three quarters of them rightly, and no malignancy as routine."""
        counts = tally(state["filed"], patients().malignant[state["patient"]])
        right = counts[:, 0, ROUTINE] + counts[:, 1, BIOPSY]
        enough = right >= PASS * self.num_cases
        return np.asarray(self.terminated(state) & enough & (counts[:, 1, ROUTINE] == 0))

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """Scores, counts and costs."""
        ill, filed = patients().malignant[state["patient"]], state["filed"]
        counts = tally(filed, ill)
        as_if = tally(np.where(filed == NOT_FILED, FOLLOW_UP, filed), ill)
        opinions = state["asked"].sum(1)
        return {
            "auroc": auroc(as_if),
            "sensitivity_at_95_specificity": sensitivity_at(as_if, 0.95),
            "accuracy": (counts[:, 0, ROUTINE] + counts[:, 1, BIOPSY]) / self.num_cases,
            "filed": state["current"].copy(),
            "true_positives": counts[:, 1, BIOPSY],
            "false_negatives": counts[:, 1, ROUTINE],
            "true_negatives": counts[:, 0, ROUTINE],
            "false_positives": counts[:, 0, BIOPSY],
            "malignant_follow_ups": counts[:, 1, FOLLOW_UP],
            "benign_follow_ups": counts[:, 0, FOLLOW_UP],
            "opinions": opinions,
            "cost": -(WEIGHTS.opinion * opinions + WEIGHTS.step * state.step),
        }

    @staticmethod
    def pictures(split: Split, views: int, pixels: int) -> NDArray[np.uint8]:
        """Scans of a split's patients, for whoever learns to see without walking about.

        Args:
            split: whose patients and scanners.
            views: of each patient by each scanner; no two are alike.
            pixels: rows and columns.

        Returns:
            uint8 (patients, scanners, views, pixels, pixels, 3).
        """
        who, scanners = patients().of(split), [NAMES.index(each) for each in OF_SPLIT[split]]
        shape = (len(who), len(scanners), views)
        patient, scanner, view = np.indices(shape).reshape(3, -1)
        drawn = scans(who[patient], scanner * views + view, np.array(scanners)[scanner], pixels)
        return drawn.reshape(*shape, *drawn.shape[1:])

    # -- people -----------------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """Colleagues who are only in the way; "watches" and "passes" are held out."""
        return {
            "restocks": Behaviour(partial(self._with_navigator, people.restocks)),
            "reads": Behaviour(partial(self._with_navigator, people.reads)),
            "paces": Behaviour(partial(self._with_navigator, people.paces)),
            "passes": Behaviour(partial(self._with_navigator, people.passes), splits=("test",)),
            "watches": Behaviour(
                partial(self._with_navigator, people.watches), splits=("validation",)
            ),
        }

    def _with_navigator(
        self, walk: people.Walk, state: WorldState, who: BoolArray, commands: Commands
    ) -> None:
        assert self._navigator is not None
        walk(state, who, commands, self._navigator)

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Knows all measurements of the patient on the lightbox, and files by what they make best.

        How likely malignancy is comes from the logistic regression of `ALS/Diagnosis-v0`, and from
        the second opinion where it is worth its cost. The truth is never read: this is an upper
        line for who sees everything in a picture.
        """
        rows, case = np.arange(state.num_worlds), self._case(state)
        every = np.ones((state.num_worlds, NUM_PANELS), np.bool_)
        likely, asked = malignancy(self._patient(state), every), state["asked"][rows, case]
        told = after_opinion(likely, state["opinion"][rows, case])
        best = WEIGHTS.worth(np.where(asked, told, likely)).argmax(-1)
        self._carry_out(state, who, commands, np.where(~asked & worth_asking(likely), PHONE, best))

    def heuristics(self) -> Mapping[str, Act]:
        """What a reader without training in pictures could do."""
        return {"size-rule": self._size_rule, "second-opinion": self._second_opinion}

    def _size_rule(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Sends large nuclei to biopsy: the mean radius stands in for a look at the picture."""
        radius = patients().measurements[self._patient(state), 0]
        self._carry_out(state, who, commands, np.where(radius >= size_limit(), BIOPSY, ROUTINE))

    def _second_opinion(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Asks on the phone about every case, and files as it is told."""
        rows, case = np.arange(state.num_worlds), self._case(state)
        told = np.where(state["opinion"][rows, case], BIOPSY, ROUTINE)
        self._carry_out(state, who, commands, np.where(state["asked"][rows, case], told, PHONE))

    def _patient(self, state: WorldState) -> NDArray[np.int32]:
        return np.asarray(state["patient"][np.arange(state.num_worlds), self._case(state)])

    def _carry_out(
        self, state: WorldState, who: BoolArray, commands: Commands, wish: NDArray[np.integer]
    ) -> None:
        """Looks at the case first, then does what is wished."""
        assert self._navigator is not None
        wish = np.where(state["seen"], wish, people.LOOK)
        people.carry_out(state, who, commands, self._navigator, wish)
