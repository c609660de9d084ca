"""Bullet as the physics: PyBullet's own C functions, called from kernels."""
