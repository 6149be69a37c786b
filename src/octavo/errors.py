"""The few errors Octavo raises, told apart by who must act.

Every message says what is wrong, where, and what to do next::

    OctavoError
     ├─ DefinitionError   the pipeline definition is wrong: its author edits pipeline.py
     ├─ DataError         the data are wrong: whoever delivers them, or a check, must change
     └─ ResourceError     the machine or an installation is wrong: disk, permissions, extras

Anything else that escapes is a bug in Octavo.
"""

import difflib
import enum
import errno
import re
from collections.abc import Iterable


class ExitCode(enum.IntEnum):
    """What the ``octavo`` command returns to the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_CANDIDATE = 3


class OctavoError(Exception):
    """Base of all errors a user is meant to read.

    Parameters
    ----------
    what
        What is wrong, one sentence.
    where
        Dataset, column, row, or ``file:line``.
    fix
        The next step.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        head = f"{where}: {what}" if where else what
        super().__init__(f"{head} {fix}".strip())


class DefinitionError(OctavoError):
    """The pipeline definition cannot be run as written."""

    exit_code = ExitCode.USAGE

    @classmethod
    def unknown(
        cls, kind: str, name: str, known: Iterable[str], *, where: str = ""
    ) -> "DefinitionError":
        """Make the error for a name that does not exist, with the nearest that do."""
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=2)
        listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
        otherwise = f"Known: {listed}." if known else "There are none yet."
        fix = f"Did you mean {' or '.join(map(repr, near))}?" if near else otherwise
        return cls(f"there is no {kind} {name!r}.", where=where, fix=fix)


class DataError(OctavoError):
    """The data do not fit what was declared or seen before."""


class ResourceError(OctavoError):
    """The machine or the installation stands in the way."""

    @classmethod
    def disk_full(cls, *, where: str = "") -> "ResourceError":
        """Make the error for a disk without space; the same words whichever file met it."""
        fix = "Free some space and run again: nothing was half-written."
        return cls("the disk is full.", where=where, fix=fix)

    @classmethod
    def refused(cls, error: OSError, *, where: str = "") -> "ResourceError":
        """Make the error for what the operating system refused."""
        if is_full(error):
            return cls.disk_full(where=where)
        fix = "Check the path, its permissions and the space on the disk."
        return cls(f"the machine refused: {error}.", where=where, fix=fix)

    @classmethod
    def not_installed(cls, library: str, *, extra: str, where: str) -> "ResourceError":
        """Make the error for a library that is an extra of Octavo and is not there."""
        return cls(
            f"it needs {library}, which is not installed.",
            where=where,
            fix=f"Install it with: pip install 'octavo[{extra}]'.",
        )


_FULL = re.compile(
    r"no space left on device|\(os error 28\)|disk quota exceeded|the disk is full"
    r"|^(.*OSError: )?\d+ requested and \d+ written",
    re.IGNORECASE | re.MULTILINE,
)


def is_full(error: BaseException) -> bool:
    """Say whether an error comes of a full disk: libraries do not keep the system's number.

    NumPy says how many bytes it wished to write and wrote, Polars the number in words.
    """
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    return _FULL.search(str(error)) is not None
