"""The runtime's C interface (runtime/include/trainc/trainc.h) for the tests."""

import ctypes
import os
import subprocess

import numpy as np

_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.int64, 5: np.bool_,
          6: np.uint16, 7: np.float16, 8: np.uint8}  # 6: bfloat16 as its bits


def _library():
    path = os.path.join(os.environ["TRAINC_LIBRARY_DIR"], "libtrainc_runtime.so")
    library = ctypes.CDLL(path)
    library.trainc_last_error.restype = ctypes.c_char_p
    library.trainc_session_variable_name.restype = ctypes.c_char_p
    library.trainc_session_variable_count.restype = ctypes.c_size_t
    for name in ("plan_load", "session_run", "session_variable"):
        getattr(library, "trainc_" + name).restype = ctypes.c_int
    return library


_lib = _library()


def _check(status):
    if status:
        raise RuntimeError(f"status {status}: {_lib.trainc_last_error().decode()}")


class Session:
    """A loaded plan. `variable(name)` is a writable view of its memory."""

    def __init__(self, path, threads=2):
        self.handle = ctypes.c_void_p()
        _check(_lib.trainc_plan_load(path.encode(), ctypes.c_uint(threads),
                                     ctypes.byref(self.handle)))

    def close(self):
        _lib.trainc_session_destroy(self.handle)
        self.handle = None

    def run(self, program):
        _check(_lib.trainc_session_run(self.handle, program.encode()))

    def names(self):
        count = _lib.trainc_session_variable_count(self.handle)
        return [_lib.trainc_session_variable_name(self.handle, ctypes.c_size_t(i)).decode()
                for i in range(count)]

    def variable(self, name):
        pointer, size = ctypes.c_void_p(), ctypes.c_uint64()
        kind, rank = ctypes.c_int(), ctypes.c_int()
        shape = ctypes.POINTER(ctypes.c_uint64)()
        _check(_lib.trainc_session_variable(
            self.handle, name.encode(), ctypes.byref(pointer), ctypes.byref(size),
            ctypes.byref(kind), ctypes.byref(rank), ctypes.byref(shape)))
        extents = tuple(int(shape[i]) for i in range(rank.value))
        buffer = (ctypes.c_char * size.value).from_address(pointer.value)
        dtype = np.dtype(_TYPES[kind.value])
        count = int(np.prod(extents, dtype=np.int64))
        return np.frombuffer(buffer, dtype=dtype, count=count).reshape(extents)

    def set(self, name, value):
        view = self.variable(name)
        value = np.asarray(value, dtype=view.dtype)
        if value.shape != view.shape:
            raise ValueError(f"expected {name} of shape {view.shape}, but got {value.shape}")
        view[...] = value


def compile_plan(text, path, target, options=()):
    """Compiles module `text` to the plan `path`; its source lies beside it."""
    source = path + ".mlir"
    with open(source, "w") as file:
        file.write(text)
    command = [os.path.join(os.environ["TRAINC_TOOLS_DIR"], "trainc"), "compile", source,
               "-o", path, *(["--target", target] if target else []), *options]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr}")
