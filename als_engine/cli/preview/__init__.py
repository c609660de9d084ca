"""`als preview`, once or at every save."""

from __future__ import annotations

from als_engine.cli.preview.drawing import preview

__all__ = ["preview"]
