"""Lets Numba kernels copy bytes between addresses, with C's `memcpy`."""

from __future__ import annotations

from typing import Any, Final

from numba import types

read_bytes: Final[Any] = types.ExternalFunction(
    "memcpy", types.intp(types.voidptr, types.intp, types.intp)
)
"""To an array (its `ctypes`), from an address, so many bytes."""

write_bytes: Final[Any] = types.ExternalFunction(
    "memmove", types.intp(types.intp, types.voidptr, types.intp)
)
"""To an address, from an array (its `ctypes`), so many bytes."""
