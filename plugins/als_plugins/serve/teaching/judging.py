"""Good and bad, from the page to an adaptation: the first of its worlds is shown while it learns.

People judge what they see, so the page shows the very world whose steps their words are credited
to. The adaptation goes on in its own thread, at a pace that people can follow; the page is told of
each step and never waited for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from als_plugins.adaptation.channel import DELAY, STEP, Event, Moment
from als_plugins.adaptation.pace import Pace
from als_plugins.serve.describing import Describer
from als_plugins.serve.figures import Figures
from als_plugins.serve.lobby import Lobby
from als_plugins.serve.orders import Order
from als_plugins.serve.protocol import BadMessage, Judge, Told
from als_plugins.serve.server import Server, bind
from als_plugins.serve.show import Show
from als_plugins.serve.stage import drivers_of

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows
    from als_engine.simulation import Simulation

__all__ = ["PACE", "FollowedStage", "Judging", "PageChannel"]

PACE: Final = 1 / STEP
"""Steps a second: as fast as the world is real."""
_WAITS: Final = 0.2
"""Seconds that the page waits for a step before it looks whether anything else is to be done."""
_STOPS: Final = 10.0


class FollowedStage:
    """World 0 of a simulation that somebody else steps."""

    def __init__(self, simulation: Simulation, label: str) -> None:
        """Looks at a simulation."""
        self.length: int | None = None
        self.note, self.label, self.over = "", label, False
        self._new = threading.Condition()
        self._pending: dict[str, Any] = {}
        self.follow(simulation)

    def follow(self, simulation: Simulation) -> None:
        """Looks at another simulation from now on."""
        self.simulation = simulation
        self._describer, self._figures = Describer(simulation.state), Figures(simulation)

    @property
    def time_step(self) -> float:
        """Seconds."""
        return self.simulation.state.time_step

    def post(self, ended: bool) -> None:
        """Describes the step that was made, in the thread that made it."""
        if ended:
            self._figures.begin()
        else:
            self._figures.note()
        changes = {**self._describer.changes(), **self._figures.changes()}
        with self._new:
            self._pending.update(changes)
            self._new.notify()

    def begin(self) -> None:
        """Does nothing: whoever steps the worlds begins episodes."""

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Waits until a step was made, or a moment."""
        with self._new:
            if not self._pending:
                self._new.wait(_WAITS)

    def seek(self, step: int) -> None:
        """Does nothing: there is no time line."""

    def drivers(self) -> list[str]:
        """Who drives each avatar."""
        return drivers_of(self.simulation, self.label)

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key of the board; None for what is gone."""
        with self._new:
            found, self._pending = self._pending, {}
        return found

    def eyes(self, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        """Nothing: the state may be just about to change."""
        return None

    def close(self) -> None:
        """Holds nothing."""


class Judging:
    """What is said about the agent on the page, until the adaptation asks for it."""

    key = "teaching"
    leads = holds = False

    def __init__(self, agents: int) -> None:
        """Nothing is said yet; `agents` is how many avatars are learning."""
        self.events: deque[Event] = deque()
        self.trust: Callable[[], float] = lambda: 0.0
        self._agents, self._said, self._good = agents, 0, 0

    def take(self, client: int, message: Told, between_steps: Any) -> None:
        """Takes what a person says.

        Raises:
            BadMessage: it is about nobody who learns, or can be done in `als serve --teach` alone.
        """
        if not isinstance(message, Judge):
            raise BadMessage("here one can say good and bad: als serve AGENT --teach has more")
        if message.avatar >= self._agents:
            raise BadMessage("this avatar does not learn")
        self.events.append(Event(world=0, avatar=message.avatar, value=message.value))
        self._said += 1
        self._good += message.value > 0

    def leave(self, client: int) -> None:
        """A client has gone; what it said counts."""

    def before_step(self, orders: Any, drivers: Any) -> None:
        """Nobody drives here."""

    def seat(self, lobby: Lobby) -> None:
        """Persons join by themselves."""

    def after_step(self) -> None:
        """Nothing is to be done."""

    def values(self) -> dict[str, Any]:
        """What stands on the board under `teaching`."""
        trust = self.trust()
        said = f"{self._said} judgements, {self._good} of them good."
        return {
            "asks": False, "judges": True, "shows": False, "learns": False, "purpose": "",
            "agents": self._agents, "state": "", "learnt": None, "trust": round(trust, 3),
            "line": f"{said} What was said could be foretold to {100 * trust:.0f} %; the agent "
            "trusts it as far.",
        }  # fmt: skip

    def close(self) -> None:
        """Holds nothing."""


class PageChannel:
    """A channel of feedback: the page of `als serve`, on world 0 of an adaptation.

    Attributes:
        address: of the page; empty before the worlds are there.
    """

    asks_expert = False
    delay = DELAY

    def __init__(
        self,
        pace: float = PACE,
        port: int | None = None,
        *,
        browser: bool = True,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Prepares; nothing is served before there are worlds.

        Args:
            pace: steps a second; 0 for as fast as it goes.
            port: where to listen on this machine; None for 8600, or any that is free.
            browser: whether to open one.
            say: is told the address.

        Raises:
            ArgumentError: the port is taken.
        """
        self.address = ""
        self._pace, self._browser, self._say = Pace(pace), browser, say
        self._listening = bind("127.0.0.1", port)
        self._server: Server | None = None
        self._stage: FollowedStage

    def open(self, worlds: int, observers: int, first_step: int) -> None:
        """Takes how many avatars learn."""
        self._judging = Judging(observers)

    def show(self, rows: Rows, trust: Callable[[], float]) -> None:
        """Shows the first of some worlds, which the adaptation steps.

        Args:
            rows: in this process.
            trust: returns how far what is said is trusted, 0 to 1.
        """
        simulation = rows.worlds.simulation
        self._judging.trust = trust
        if self._server is not None:
            self._stage.follow(simulation)
            return
        self._stage = FollowedStage(simulation, "the agent that learns")
        lobby = Lobby(simulation, open=False)
        self._show = Show(self._stage, lobby, speed=0.0, say=self._say, guide=self._judging)
        self._server = Server(self._show, self._listening)
        self.address = self._server.address
        self._say(f"Say what is good and what is bad: {self.address}")
        self._thread = threading.Thread(target=self._serve, daemon=True, name="als-page")
        self._thread.start()

    def _serve(self) -> None:
        assert self._server is not None
        self._server.run(open=self._browser, say=self._say)

    def watch(self, moment: Moment) -> None:
        """Shows a step, and keeps the pace."""
        if self._show.watched:
            self._stage.post(bool(moment.ended[0]))
        self._pace.keep()

    def poll(self, step: int) -> Sequence[Event]:
        """What was said since the last step."""
        events = self._judging.events
        found = [events.popleft() for _ in range(len(events))]
        return [event.model_copy(update={"step": step}) for event in found]

    def close(self) -> None:
        """Ends the page."""
        if self._server is None:
            self._listening.close()
            return
        self._server.stop()
        self._thread.join(_STOPS)
