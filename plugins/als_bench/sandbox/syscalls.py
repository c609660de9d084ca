"""The seccomp filter of an agent's process.

Landlock says which files can be opened. The filter closes what Landlock does not look at: sockets,
other processes, new processes, new namespaces, and changes to a file's owner, mode and times. All
of it fails with EPERM, as it would for a user who is not allowed to; numbers that were given out
after this list was made fail as they do on an older kernel.
"""

from __future__ import annotations

import errno
import struct
from typing import Final, NamedTuple

__all__ = ["MACHINES", "filter_program"]


class _Machine(NamedTuple):
    """How one processor's system calls are told apart: AUDIT_ARCH_*, and a column of the table."""

    audit: int
    column: int


MACHINES: Final = {"x86_64": _Machine(0xC000003E, 0), "aarch64": _Machine(0xC00000B7, 1)}
"""The processors that the numbers are known for, as `platform.machine` names them."""

_NEWEST: Final = 449
"""The last number that was looked at, the same on both; newer calls do not exist here."""

_X32: Final = 0x40000000
"""The numbers of a second table of the x86_64 kernel begin here."""

# Name to its numbers on (x86_64, aarch64); None where the processor does not have it.
_DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    # Other machines, and other processes of this one.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # What is counted for one user is to be counted for that one.
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setgroups": (116, 159),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    # A lock on a file that two may read is seen by both.
    "flock": (73, 32),
    # New processes: with none there is none to be left over. Threads are clones, see below.
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    # What a file is, beside what it holds; Landlock does not look at that.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    # Memory that no limit counts.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # Namespaces, mounts, and the wide doors into the kernel.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "personality": (135, 92),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "nfsservctl": (180, 42),
}

_CLONE, _CLONE3 = (56, 220), (435, 435)
_KILL, _TGKILL = (62, 129), (234, 131)
# A file that never has a name; `openat2` would hide its flags from a filter.
_OPEN, _OPENAT, _OPENAT2 = (2, -1), (257, 56), (437, 437)  # -1: there is none.
_O_TMPFILE: Final = 0x400000
_PRLIMIT64, _PRCTL, _FCNTL, _IOCTL = (302, 261), (157, 167), (72, 25), (16, 29)

_CLONE_THREAD: Final = 0x10000
_PR_SET_PDEATHSIG: Final = 1
# F_SETOWN, F_SETSIG, F_SETOWN_EX: a descriptor that sends signals to whom one likes. Locks of both
# kinds, leases and F_NOTIFY: what another sees of a file that both may read.
_FCNTL_REFUSED: Final = (8, 10, 15, 5, 6, 7, 36, 37, 38, 1024, 1025, 1026)
# TIOCSTI types on a terminal; FIOASYNC, FIOSETOWN and SIOCSPGRP are F_SETOWN by another name.
_IOCTL_SIGNALS: Final = (0x5412, 0x5452, 0x8901, 0x8902)

# Classic BPF: load a word, compare and jump, test bits and jump, return.
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_FAIL: Final = 0x00050000

_Code = list[tuple[int, int, int, int]]


def filter_program(machine: str, pid: int) -> bytes:
    """The filter for a process.

    Args:
        machine: a key of `MACHINES`.
        pid: of the process that it is for: the only one that it may send signals to.

    Returns:
        An array of `struct sock_filter`, which `PR_SET_SECCOMP` takes.
    """
    audit, column = MACHINES[machine]
    deny, missing = _end(_FAIL | errno.EPERM), _end(_FAIL | errno.ENOSYS)
    code: _Code = [(_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 1, 0, audit), *_end(_KILL_PROCESS)]
    code += [(_LOAD, 0, 0, _NUMBER_AT)]
    code += [(_AT_LEAST, 0, 1, _X32), *_end(_KILL_PROCESS)]
    code += [(_AT_LEAST, 0, 1, _NEWEST + 1), *missing]
    # glibc asks clone3 first, whose flags a filter cannot see, and then clone.
    code += _call(_CLONE3[column], missing)
    code += _call(_CLONE[column], [_argument(0), (_BITS, 1, 0, _CLONE_THREAD), *deny])
    for call in (_KILL, _TGKILL):
        code += _call(call[column], [_argument(0), (_EQUAL, 1, 0, pid), *deny])
    code += _call(_OPENAT2[column], missing)
    for call, flags in ((_OPEN, 1), (_OPENAT, 2)):
        if call[column] >= 0:
            code += _call(call[column], [_argument(flags), (_BITS, 0, 1, _O_TMPFILE), *deny])
    own = [_argument(0), (_EQUAL, 2, 0, 0), (_EQUAL, 1, 0, pid), *deny]
    code += _call(_PRLIMIT64[column], own)
    code += _call(_PRCTL[column], _refuse(0, (_PR_SET_PDEATHSIG,)))
    code += _call(_FCNTL[column], _refuse(1, _FCNTL_REFUSED))
    code += _call(_IOCTL[column], _refuse(1, _IOCTL_SIGNALS))
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), *deny]
    code += _end(_ALLOW)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _call(number: int, then: _Code) -> _Code:
    """Code for one system call; what falls through its end is allowed."""
    then = [*then, *_end(_ALLOW)]
    return [(_EQUAL, 0, len(then), number), *then]


def _argument(index: int) -> tuple[int, int, int, int]:
    """Loads the lower half of an argument: pids, flags and commands are 32 bits wide."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index)


def _refuse(index: int, values: tuple[int, ...]) -> _Code:
    """Denies a call whose argument is one of some values."""
    code: _Code = [_argument(index)]
    for value in values:
        code += [(_EQUAL, 0, 1, value), *_end(_FAIL | errno.EPERM)]
    return code


def _end(result: int) -> _Code:
    return [(_RETURN, 0, 0, result)]
