"""The settings that make a program run as on an x86-64 processor of 2003.

Numba compiles without fused multiply-adds and wide vectors, NumPy and the C library take their
plain implementations. Other processors, and other systems' C libraries, take no notice.
"""

PLAIN = {
    "NUMBA_CPU_NAME": "generic",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4,-AVX512F",
}
