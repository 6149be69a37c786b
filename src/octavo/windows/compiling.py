"""How the kernel is compiled by numba: the sorts of functions, and when a cache is stale.

Only *entries* are called from Python: each has one signature, whose inputs may be read-only, and
is kept in numba's cache; the rest is compiled into them. This module knows nothing of what they
compute.
"""

import importlib
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numba as nb
from numba.np import linalg


def _begin() -> None:
    """Have numba load what it compiles with, but not SciPy: that takes as long as all the rest.

    It looks whether there are matrix products, which nothing here uses; a function that does is
    looked at again when it is compiled.
    """
    looks = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = looks


_begin()

compiled: Any = nb.njit  # whose annotations leave out the options used here

part = compiled(inline="always")
"""A step of an entry that may allocate. It becomes a part of its caller before this is compiled."""

shared = compiled
"""A step of several entries, or of several places of one, that may allocate."""

hot = compiled(_nrt=False, error_model="numpy")
"""A step of a loop over rows: it must not allocate, and so does not count references.

Counting is atomic; on arrays which threads share it costs more than the work itself.
"""

inlined = compiled(_nrt=False, error_model="numpy", forceinline=True)
"""A hot step that takes many arrays: passing them would cost more than the step."""

once = compiled(_nrt=False, error_model="numpy", inline="always")
"""A hot step that an entry has in one place, and takes in before it is compiled.

Numba optimizes a function again with every function it is compiled into: a step that is no function
any more takes a good part less time.
"""


def entry(signature: object):
    """Compile a function that Python calls, without the interpreter's lock."""
    return compiled(signature, nogil=True, cache=True)


def source_of(modules: Iterable[ModuleType]) -> int:
    """Checksum of the source of some modules.

    Numba drops a cached function when its own file changes, not when a module does whose
    functions were compiled into it. But variables an entry closes over are part of its cache key:
    an entry that closes over this number is compiled anew when any of the modules changes.
    """
    paths = [Path(module.__file__) for module in modules if module.__file__]
    return zlib.crc32(b"".join(path.read_bytes() for path in paths))
