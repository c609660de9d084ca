"""Teaching as the show sees it: who has agreed, what they say, and when the agent learns from it.

Nothing of a person is kept who has not agreed, and nobody's name is: each person is a random
pseudonym. What is said is answered here, in the show's task; what the world's thread keeps is in
`lessons.py`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.agents.run_folder import claimed
from als_engine.agents.saving import load_agent
from als_engine.errors import ALSError, ArgumentError
from als_engine.system.files import make_folder
from als_engine.texts import one_line
from als_plugins.experience.records import part_of
from als_plugins.serve.protocol import BadMessage, Consent, Judge, Learn, Prefer, Told
from als_plugins.serve.teaching.lessons import Clip, Lessons, Tally
from als_plugins.serve.teaching.updating import Update, Updater

if TYPE_CHECKING:
    from als_plugins.serve.lobby import Lobby
    from als_plugins.serve.stage import LiveStage

__all__ = ["PURPOSE", "Teaching"]

PURPOSE: Final = "on the computer that runs this page, to train this agent"
"""What persons are told that their episodes are for, where nobody says otherwise."""

FEWEST: Final = 30
"""Steps that there have to be before anything is learnt from them."""
LONGEST: Final = 10.0
"""Seconds of a clip, at most."""


class Teaching:
    """What is taught on a stage.

    Attributes:
        lessons: what keeps it.
    """

    key = "teaching"
    leads = holds = False

    def __init__(
        self,
        folder: Path,
        stage: LiveStage,
        *,
        agent: Path | None,
        purpose: str = PURPOSE,
    ) -> None:
        """Opens the folder, new or not, and keeps other writers out of it.

        Args:
            folder: of the dataset and of the agents that have learnt from it.
            stage: the world; persons act there by the agent's actions.
            agent: the folder of the saved agent that learns; None where it cannot.
            purpose: what persons are told.

        Raises:
            SavedFileError: the folder holds something else, or another process writes to it.
            ArgumentError: what is shown on these levels would not be learnt from.
        """
        _check_levels(stage.arguments)
        self._purpose = purpose
        self._clients: dict[int, str] = {}
        self._persons: set[str] = set()
        self._praises = self._preferences = 0
        self._busy = ""
        self._learnt: Update | None = None
        self._task: asyncio.Task[None] | None = None
        self._stage = stage
        with ExitStack() as stack:
            make_folder(folder)
            stack.enter_context(claimed(folder))
            self.lessons = Lessons(folder, stage.simulation, stage.arguments, purpose)
            self._updater = None if agent is None else Updater(folder, agent)
            self._stack = stack.pop_all()
        stage.lessons = self.lessons

    # -- what clients say ------------------------------------------------------------------------

    def take(
        self,
        client: int,
        message: Told,
        between_steps: Callable[[Callable[[], Any]], Any],
    ) -> dict[str, Any] | None:
        """Does what a message asks for; returns the answer to it, if there is one.

        Args:
            client: who says it.
            message: what.
            between_steps: lets something be done in the world's thread, between two steps.

        Raises:
            BadMessage: that cannot be done, or the person has not agreed.
        """
        if isinstance(message, Consent):
            return self._agree(client, message)
        person = self._clients.get(client)
        if person is None:
            raise BadMessage("agree to what is kept first")
        if isinstance(message, Learn):
            self._learn(between_steps)
        elif isinstance(message, Judge):
            self._check_avatar(message.avatar)
            if message.value <= 0.0:
                raise BadMessage("show what is better: take the avatar over; or als adapt")
            self._praises += 1
            between_steps(lambda: self.lessons.praise(message.avatar, person))
        elif isinstance(message, Prefer):
            self._prefer(message, person, between_steps)
        return None

    def _agree(self, client: int, message: Consent) -> dict[str, Any]:
        self._clients.pop(client, None)
        person = None
        if message.agree:
            person = message.pseudonym or secrets.token_hex(4)
            self._clients[client] = person
        return {"type": "consent", "pseudonym": person}

    def _prefer(self, message: Prefer, person: str, between_steps: Any) -> None:
        self._check_avatar(message.avatar)
        most = LONGEST / self._stage.simulation.state.time_step
        clips = []
        for each in (message.better, message.worse):
            clip = Clip(each.episode - 1, each.first, each.last)
            if not self.lessons.has(clip) or clip.last - clip.first > most:
                raise BadMessage("such a clip is not remembered: compare newer ones")
            clips.append(clip)
        self._preferences += 1
        between_steps(lambda: self.lessons.like(message.avatar, clips[0], person))

    def _check_avatar(self, avatar: int) -> None:
        if avatar >= self._stage.simulation.observers:
            raise BadMessage("the agent does not drive this avatar")

    def leave(self, client: int) -> None:
        """A client has gone."""
        self._clients.pop(client, None)

    def before_step(self, orders: Iterable[int], drivers: Mapping[int, int]) -> None:
        """Tells the stage which avatars are taught in the step that follows, and by whom.

        Args:
            orders: avatars of which somebody wants something.
            drivers: avatar to client.
        """
        found = {
            avatar: self._clients[drivers[avatar]]
            for avatar in orders
            if avatar < self._stage.simulation.observers and drivers[avatar] in self._clients
        }
        self._persons |= {*found.values()}
        self._stage.teachers = found

    # -- learning --------------------------------------------------------------------------------

    def _learn(self, between_steps: Any) -> None:
        if self._updater is None:
            raise BadMessage("this agent cannot learn here: serve the folder of a trained one")
        if self._task is not None and not self._task.done():
            raise BadMessage("it is learning already")
        tally = self.lessons.tally()
        if tally.corrected + tally.praised < FEWEST:
            raise BadMessage(f"show it {FEWEST} steps at least, about {FEWEST / 15:.0f} seconds")
        self._task = asyncio.get_running_loop().create_task(self._update(between_steps))

    async def _update(self, between_steps: Any) -> None:
        """Learns in a process of its own, while the show goes on, and lets the new agent act."""
        assert self._updater is not None
        self._busy = "learning"
        try:
            await between_steps(lambda: self.lessons.join([*self._persons]))
            found = await asyncio.to_thread(self._updater.update)
            agent, record = await asyncio.to_thread(load_agent, found.folder)
            label = f"{record.agent} of {found.folder.name}"
            await between_steps(lambda: self._stage.take_agent(agent, label))
            self.lessons.forget_agreement()
            self._learnt, self._busy = found, ""
        except ALSError as error:
            self._busy = f"it could not learn: {one_line(error)[:200]}"

    # -- what is shown ---------------------------------------------------------------------------

    def seat(self, lobby: Lobby) -> None:
        """Persons join by themselves."""

    def after_step(self) -> None:
        """Nothing is to be done."""

    def values(self) -> dict[str, Any]:
        """What stands on the board under `teaching`."""
        tally: Tally = self.lessons.tally()
        learnt = self._learnt
        return {
            "purpose": self._purpose, "asks": True, "judges": False, "shows": True,
            "agents": self._stage.simulation.observers,
            "corrections": tally.corrections, "corrected": tally.corrected,
            "praised": tally.praised, "preferences": self._preferences,
            "agreement": None if tally.agreement is None else round(tally.agreement, 3),
            "learns": self._updater is not None, "fewest": FEWEST, "state": self._busy,
            "learnt": None if learnt is None else learnt.as_dict(),
        }  # fmt: skip

    def close(self) -> None:
        """Keeps all that was taught, once the world makes no more steps."""
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        if self._updater is not None:
            self._updater.close()
        self.lessons.close([*self._persons])
        self._stack.close()


def _check_levels(arguments: Mapping[str, Any]) -> None:
    """Refuses levels of which nothing is learnt, or on which agents are evaluated."""
    if arguments.get("split", "train") != "train":
        raise ArgumentError("--teach goes with the train split: on others agents are evaluated")
    level = arguments.get("level")
    if level is not None and part_of(level) != "train":
        near = next(i for i in range(level % 10_000, 1 << 31) if part_of(i) == "train")
        raise ArgumentError(
            f"--level {level} is held out, and nothing is learnt from it: use {near}, say"
        )
