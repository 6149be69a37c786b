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
