"""What tells of a full disk."""

import errno

import numpy as np
import pytest

from octavo.errors import ResourceError, is_full


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("1000000 requested and 524272 written"),
        OSError("failed to write: No space left on device (os error 28)"),
        ResourceError.disk_full(),
        RuntimeError("Traceback …\nOSError: 1000 requested and 24 written"),
    ],
)
def test_a_full_disk_is_known_by_its_number_or_its_words(error):
    assert is_full(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),
        ValueError("the basket is full"),
        ValueError("10 clusters requested and 5 found"),
    ],
)
def test_other_errors_are_none(error):
    assert not is_full(error)


def test_numpys_words_are_still_these():
    with pytest.raises(OSError, match=r"written|space") as raised, open("/dev/full", "wb") as full:
        np.save(full, np.zeros(1_000_000))
    assert is_full(raised.value)
