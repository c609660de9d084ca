"""The window of `render_mode="human"`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import flag, one_of
from als_engine.errors import ALSError, ArgumentError
from als_engine.simulation import Captions

RENDER_MODES: Final = ("human", "rgb_array")


def check_render_mode(mode: str | None) -> str | None:
    """Returns the mode.

    Raises:
        ArgumentError: there is no such mode, or "human" and no pygame to open a window with.
    """
    if mode is not None:
        one_of("render_mode", mode, RENDER_MODES)
    if mode == "human":
        _pygame()
    return mode


def captions_for(mode: str | None, asked: bool | None) -> Captions | None:
    """The captions of an environment's pictures, if there are any.

    Args:
        mode: its render mode.
        asked: whether there are captions; None for those that the mode has: "human" has them.
    """
    wanted = mode == "human" if asked is None else flag("captions", asked)
    return Captions() if wanted and mode is not None else None


class Window:
    """A window that shows pictures at a steady rate."""

    def __init__(self, title: str, frames_per_second: int) -> None:
        self._pygame = _pygame()
        self._title, self._rate = title, frames_per_second
        self._surface: Any = None

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Shows a picture, (height, width, 3), and waits for its turn.

        Raises:
            ALSError: there is no screen to open a window on.
        """
        pygame = self._pygame
        if self._surface is None:
            self._open(picture.shape[1], picture.shape[0])
        pygame.event.pump()
        pygame.surfarray.blit_array(self._surface, picture.swapaxes(0, 1))
        pygame.display.flip()
        self._clock.tick(self._rate)

    def _open(self, width: int, height: int) -> None:
        pygame = self._pygame
        try:
            pygame.display.init()
            self._surface = pygame.display.set_mode((width, height))
        except pygame.error as error:
            raise ALSError(
                f'no window can be opened ({error}); use render_mode="rgb_array" here'
            ) from None
        pygame.display.set_caption(self._title)
        self._clock = pygame.time.Clock()

    def close(self) -> None:
        """Closes the window."""
        if self._surface is not None:
            self._pygame.display.quit()
            self._surface = None


def _pygame() -> Any:
    try:
        import pygame
    except ModuleNotFoundError:
        raise ArgumentError(
            'render_mode="human" needs pygame: pip install "als-engine[human]"'
        ) from None
    return pygame
