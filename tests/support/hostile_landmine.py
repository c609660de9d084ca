"""Does harm by being imported: the module that an agent's spec names, not one with hooks."""

from __future__ import annotations

import os
from pathlib import Path

Path(os.environ.get("TMPDIR", "."), "../landmine").write_text("burgled")
