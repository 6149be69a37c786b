"""What the machine did wrong, in words: errors of disks and of the libraries that write to them.

It knows nothing of what is stored.
"""

import contextlib
import errno
import re
from collections.abc import Iterator

from deltalake.exceptions import DeltaError
from polars.exceptions import PolarsError

from octavo.errors import ResourceError

_ON_DISK = {
    errno.ENOSPC: ("the disk is full.", "Free some space and run again: nothing was half-written."),
    errno.EDQUOT: ("the disk quota is used up.", "Free some space and run again."),
    errno.EACCES: ("it may not be written.", "Give this user permission to write there."),
    errno.EPERM: ("it may not be written.", "Give this user permission to write there."),
    errno.EROFS: ("the disk is read-only.", "Choose another home."),
}


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Say what the machine, not the caller, did wrong."""
    try:
        yield
    except (OSError, DeltaError, PolarsError) as error:
        number = getattr(error, "errno", None) or _errno_in(str(error))
        what, fix = _ON_DISK.get(
            number, (f"the table cannot be read or written: {_plain(error)}.", "Check the storage.")
        )
        raise ResourceError(what, where=url, fix=fix) from error


def _plain(error: Exception) -> str:
    """Return a message of several coloured lines as one plain line."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|↳", "", str(error)).split()).rstrip(".")


def _errno_in(message: str) -> int:
    """Return the error number that Rust libraries write into their messages; 0: there is none."""
    found = re.search(r"(?:os error|code:) (\d+)", message)
    return int(found[1]) if found else 0
