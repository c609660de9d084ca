"""The engine's rules of who is read and what is felt, for physics that is written by hand."""

from __future__ import annotations

from als_engine.geometry.sight import WallRows
from als_engine.physics import kernels
from als_engine.physics.rows import AvatarRows, PropRows
from als_engine.system.compiling import kernel

parking = kernels.parking.py_func


@kernel
def find_awake(avatars, props, quiet, awake):
    kernels.find_awake(AvatarRows(*avatars), PropRows(*props), quiet, awake)


@kernel
def scan(readings, avatars, props, walls, near, broken):
    walls = WallRows(*walls)
    return kernels.scan(readings, AvatarRows(*avatars), PropRows(*props), walls, near, broken)


@kernel
def forget_contacts(avatars):
    kernels.forget_contacts(AvatarRows(*avatars))


@kernel
def feel(w, a, other, normal_x, normal_y, distance, force, avatars):
    avatars = AvatarRows(*avatars)
    kernels.feel(w, a, other, normal_x, normal_y, distance, force, avatars)
