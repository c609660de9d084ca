"""Bullet's own C functions, as pybullet's library exports them, for Numba kernels to call.

Signatures are those of Bullet's `examples/SharedMemory/PhysicsClientC_API.h`, the public header of
the library that `import pybullet` loads; the pybullet module itself calls nothing else, so the same
commands give the same bits. Handles (of a client, a command, a status) are opaque addresses.

Numba looks the functions up by name in the loaded library, so that its cache of compiled kernels
stays valid wherever the library lies.
"""

from __future__ import annotations

from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from numba import types

from als_engine.errors import ALSError
from als_engine.physics.engines import bullet_package
from als_engine.system.quiet import import_physics

pybullet = import_physics()

_HANDLE: Final = types.intp
_INT: Final = types.int32
_REAL: Final = types.float64
_REALS: Final[Any] = types.CPointer(types.float64)  # type: ignore[no-untyped-call]
_BYTES: Final = types.voidptr
_ADDRESS: Final = types.intp

CONTACT: Final = np.dtype(
    [
        ("flags", np.int32),
        ("body_a", np.int32),
        ("body_b", np.int32),
        ("link_a", np.int32),
        ("link_b", np.int32),
        ("position_on_a", np.float64, 3),
        ("position_on_b", np.float64, 3),
        ("normal_x", np.float64),  # From body B to body A.
        ("normal_y", np.float64),
        ("normal_z", np.float64),
        ("distance", np.float64),
        ("force", np.float64),
        ("friction_force", np.float64, 2),
        ("friction_direction", np.float64, (2, 3)),
    ],
    align=True,
)
"""`b3ContactPointData`, in the file `SharedMemoryPublic.h` beside the header."""

CONTACTS: Final = np.dtype([("count", np.int32), ("address", np.intp)], align=True)
"""`b3ContactInformation`: how many contacts there are, and where."""

llvm.load_library_permanently(pybullet.__file__)


def _declare(result: Any, name: str, *arguments: Any) -> Any:
    # A kernel that calls a function that is not there would take the whole process down.
    if llvm.address_of_symbol(name) is None:
        raise ALSError(
            f"this build of pybullet does not export {name}; install it from the wheel: "
            f"pip install --force-reinstall --only-binary :all: {bullet_package()}"
        )
    return types.ExternalFunction(name, result(*arguments))


# Connections, commands and their status.
connect: Final = _declare(_HANDLE, "b3ConnectPhysicsDirect")
disconnect: Final = _declare(types.void, "b3DisconnectSharedMemory", _HANDLE)
submit_command: Final = _declare(_INT, "b3SubmitClientCommand", _HANDLE, _HANDLE)
process_status: Final = _declare(_HANDLE, "b3ProcessServerStatus", _HANDLE)

# Plugins: by name, a zero-terminated string, and by number.
init_custom: Final = _declare(_HANDLE, "b3CreateCustomCommand", _HANDLE)
set_loaded: Final = _declare(types.void, "b3CustomCommandLoadPlugin", _HANDLE, _BYTES)
set_unloaded: Final = _declare(types.void, "b3CustomCommandUnloadPlugin", _HANDLE, _INT)
loaded_plugin: Final = _declare(_INT, "b3GetStatusPluginUniqueId", _HANDLE)

# The world as a whole.
init_reset: Final = _declare(_HANDLE, "b3InitResetSimulationCommand", _HANDLE)
set_reset_flags: Final = _declare(_INT, "b3InitResetSimulationSetFlags", _HANDLE, _INT)
init_parameters: Final = _declare(_HANDLE, "b3InitPhysicsParamCommand", _HANDLE)
set_gravity: Final = _declare(_INT, "b3PhysicsParamSetGravity", _HANDLE, _REAL, _REAL, _REAL)
set_time_step: Final = _declare(_INT, "b3PhysicsParamSetTimeStep", _HANDLE, _REAL)
set_substeps: Final = _declare(_INT, "b3PhysicsParamSetNumSubSteps", _HANDLE, _INT)
set_deterministic: Final = _declare(
    _INT, "b3PhysicsParameterSetDeterministicOverlappingPairs", _HANDLE, _INT
)
init_step: Final = _declare(_HANDLE, "b3InitStepSimulationCommand", _HANDLE)

# Shapes and bodies.
init_shape: Final = _declare(_HANDLE, "b3CreateCollisionShapeCommandInit", _HANDLE)
add_plane: Final = _declare(_INT, "b3CreateCollisionShapeAddPlane", _HANDLE, _REALS, _REAL)
add_box: Final = _declare(_INT, "b3CreateCollisionShapeAddBox", _HANDLE, _REALS)
add_sphere: Final = _declare(_INT, "b3CreateCollisionShapeAddSphere", _HANDLE, _REAL)
add_cylinder: Final = _declare(_INT, "b3CreateCollisionShapeAddCylinder", _HANDLE, _REAL, _REAL)
add_capsule: Final = _declare(_INT, "b3CreateCollisionShapeAddCapsule", _HANDLE, _REAL, _REAL)
# The place and the rotation of a shape that was added, by the number that adding it returned.
set_child: Final = _declare(
    types.void, "b3CreateCollisionShapeSetChildTransform", _HANDLE, _INT, _REALS, _REALS
)
created_shape: Final = _declare(_INT, "b3GetStatusCollisionShapeUniqueId", _HANDLE)
init_body: Final = _declare(_HANDLE, "b3CreateMultiBodyCommandInit", _HANDLE)
# Mass, collision shape, visual shape; the base's and its inertial frame's place and rotation.
set_base: Final = _declare(
    _INT, "b3CreateMultiBodyBase", _HANDLE, _REAL, _INT, _INT, _REALS, _REALS, _REALS, _REALS
)
set_body_flags: Final = _declare(types.void, "b3CreateMultiBodySetFlags", _HANDLE, _INT)

# What a body is like; after the command come the body and, where there is one, its link.
init_dynamics: Final = _declare(_HANDLE, "b3InitChangeDynamicsInfo", _HANDLE)
set_inertia: Final = _declare(
    _INT, "b3ChangeDynamicsInfoSetLocalInertiaDiagonal", _HANDLE, _INT, _INT, _REALS
)
set_friction: Final = _declare(
    _INT, "b3ChangeDynamicsInfoSetLateralFriction", _HANDLE, _INT, _INT, _REAL
)
set_rolling_friction: Final = _declare(
    _INT, "b3ChangeDynamicsInfoSetRollingFriction", _HANDLE, _INT, _INT, _REAL
)
set_linear_damping: Final = _declare(
    _INT, "b3ChangeDynamicsInfoSetLinearDamping", _HANDLE, _INT, _REAL
)
set_angular_damping: Final = _declare(
    _INT, "b3ChangeDynamicsInfoSetAngularDamping", _HANDLE, _INT, _REAL
)
set_activation: Final = _declare(
    _INT, "b3ChangeDynamicsInfoSetActivationState", _HANDLE, _INT, _INT
)

# Where a body is, and what pushes it.
init_pose: Final = _declare(_HANDLE, "b3CreatePoseCommandInit", _HANDLE, _INT)
set_position: Final = _declare(
    _INT, "b3CreatePoseCommandSetBasePosition", _HANDLE, _REAL, _REAL, _REAL
)
set_orientation: Final = _declare(
    _INT, "b3CreatePoseCommandSetBaseOrientation", _HANDLE, _REAL, _REAL, _REAL, _REAL
)
set_linear_velocity: Final = _declare(
    _INT, "b3CreatePoseCommandSetBaseLinearVelocity", _HANDLE, _REALS
)
set_angular_velocity: Final = _declare(
    _INT, "b3CreatePoseCommandSetBaseAngularVelocity", _HANDLE, _REALS
)
init_force: Final = _declare(_HANDLE, "b3ApplyExternalForceCommandInit", _HANDLE)
add_force: Final = _declare(
    types.void, "b3ApplyExternalForce", _HANDLE, _INT, _INT, _REALS, _REALS, _INT
)

# Readings.
init_state: Final = _declare(_HANDLE, "b3RequestActualStateCommandInit", _HANDLE, _INT)
# Body, its numbers of coordinates and the inertial frame, which nobody asks for; then the addresses
# of position and orientation (7) and of the velocities (6); then of joint forces, unasked for.
actual_state: Final = _declare(
    _INT, "b3GetStatusActualState", _HANDLE, *[_ADDRESS] * 4, _BYTES, _BYTES, _ADDRESS
)
init_contacts: Final = _declare(_HANDLE, "b3InitRequestContactPointInformation", _HANDLE)
of_body: Final = _declare(types.void, "b3SetContactFilterBodyA", _HANDLE, _INT)
contacts_found: Final = _declare(types.void, "b3GetContactPointInformation", _HANDLE, _BYTES)
