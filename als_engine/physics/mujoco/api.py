"""MuJoCo's own C functions, as its library exports them, for Numba kernels to call.

Signatures are those of the header `mujoco.h`, which the wheel brings. Where a field lies in
`mjData` and in `mjContact` differs between versions; the wheel describes its own structs in
`mujoco.introspect`, and the places are computed from that.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Final

import llvmlite.binding as llvm
import mujoco
from mujoco.introspect.ast_nodes import ArrayType, PointerType
from mujoco.introspect.structs import STRUCTS
from numba import types

from als_engine.errors import ALSError
from als_engine.system.host import library

_ADDRESS: Final = types.intp
_BYTES: Final = types.voidptr

_SIZES: Final[dict[str, Any]] = {
    "int": ctypes.c_int,
    "size_t": ctypes.c_size_t,
    "uintptr_t": ctypes.c_size_t,
    "mjtSize": ctypes.c_int64,
    "mjtNum": ctypes.c_double,
    "mjtByte": ctypes.c_ubyte,
    "mjtBool": ctypes.c_bool,
}


def _load() -> None:
    found = library(Path(mujoco.__file__).parent, "mujoco")
    if found is None:
        raise ALSError(f"no MuJoCo library in this installation; {_REMEDY}")
    llvm.load_library_permanently(str(found))


_REMEDY: Final = "install the wheel: pip install --force-reinstall --only-binary :all: mujoco"


def _declare(result: Any, name: str, *arguments: Any) -> Any:
    # A kernel that calls a function that is not there would take the whole process down.
    if llvm.address_of_symbol(name) is None:
        raise ALSError(f"this build of MuJoCo does not export {name}; {_REMEDY}")
    return types.ExternalFunction(name, result(*arguments))


def _c_type(node: Any) -> Any:
    if isinstance(node, PointerType):
        return ctypes.c_void_p
    if isinstance(node, ArrayType):
        kind = _c_type(node.inner_type)
        for extent in reversed(node.extents):
            kind = kind * extent
        return kind
    if node.name in STRUCTS:
        return _struct(node.name)
    if node.name not in _SIZES:
        raise ALSError(f"MuJoCo {mujoco.__version__} has a field of the unknown type {node.name}")
    return _SIZES[node.name]


def _struct(name: str, until: str = "") -> Any:
    """Returns a struct of MuJoCo's as a `ctypes.Structure`, up to one of its fields."""
    fields = []
    for field in STRUCTS[name].fields:
        fields.append((field.name, _c_type(field.type)))
        if field.name == until:
            break
    return type(name, (ctypes.Structure,), {"_fields_": fields})


_load()
_data: Final = _struct("mjData", until="contact")
_contact: Final = _struct("mjContact")

COUNT_AT: Final[int] = _data.ncon.offset
"""Where `mjData` has the number of contacts, bytes from its beginning."""

CONTACTS_AT: Final[int] = _data.contact.offset
"""Where `mjData` has the address of the contacts."""

CONTACT_SIZE: Final = ctypes.sizeof(_contact)
DISTANCE_AT: Final[int] = _contact.dist.offset
NORMAL_AT: Final[int] = _contact.frame.offset
GEOMS_AT: Final[int] = _contact.geom.offset
"""Where `mjContact` has its distance, its normal (from the first geom to the second), its geoms."""

# Model and data are addresses.
step: Final = _declare(types.void, "mj_step", _ADDRESS, _ADDRESS)
update_sleep: Final = _declare(types.void, "mj_updateSleep", _ADDRESS, _ADDRESS)
look: Final = _declare(types.void, "mj_fwdPosition", _ADDRESS, _ADDRESS)
# Model, data, contact; six numbers, of which the first is along the normal.
contact_force: Final = _declare(
    types.void, "mj_contactForce", _ADDRESS, _ADDRESS, types.int32, _BYTES
)
