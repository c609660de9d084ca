"""MuJoCo as the physics: the library's own C functions, called from kernels."""
