"""Runs a command in a process to which Linux refuses tile registers (AMX), as a container may:
seccomp answers arch_prctl(ARCH_REQ_XCOMP_PERM) with EPERM.

usage: without_tiles.py COMMAND ARGUMENT...
"""
import ctypes
import errno
import os
import struct
import sys

ARCH_PRCTL, REQUEST_PERMISSION = 158, 0x1023
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF, words
ALLOW, ERRNO = 0x7FFF0000, 0x00050000

# Of struct seccomp_data the number is at 0, the first argument at 16.
program = b"".join(struct.pack("HBBI", *instruction) for instruction in (
    (LOAD, 0, 0, 0), (EQUAL, 0, 3, ARCH_PRCTL), (LOAD, 0, 0, 16), (EQUAL, 0, 1, REQUEST_PERMISSION),
    (RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ALLOW)))
code = ctypes.create_string_buffer(program)
header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER, header, 0, 0)):
    if libc.prctl(*call) != 0:
        sys.exit(f"expected prctl{call[:2]} to succeed, but got {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
