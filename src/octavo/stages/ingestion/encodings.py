"""Which bytes are which letters: telling a text's encoding, and turning it into UTF-8.

UTF-8 and UTF-16 are told by their byte order mark, UTF-16 without one by its zero bytes. A text
that is no UTF-8 anywhere but would be well-formed Windows-1252 (which contains Latin-1) is taken
for that; one that has both kinds of letters is UTF-8 with damaged records. It knows nothing of
records.
"""

import codecs
import re

UTF8 = "utf-8"

_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_VALID = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# A letter beside a letter, or a sign that texts have: quotes, dashes, degrees, currencies.
_PLAUSIBLE = re.compile(
    rb"[A-Za-z\xc0-\xff][\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff]"
    rb"|[\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff](?=[A-Za-z])"
    rb"|[\x80\x82\x84\x85\x8b\x91-\x97\x99\x9b\xa0\xa1\xa3\xa7\xa9\xab\xae\xb0-\xb5\xb7\xba-\xbf\xd7]"
)
_HIGH = re.compile(rb"[\x80-\xff]")


def told_encoding(head: bytes, declared: str | None = None) -> str:
    """Tell a text's encoding from its first bytes; a byte order mark is right, whatever is said."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if declared is not None:
        return declared
    if wide := _without_mark(head):
        return wide
    head = head[:-3] if len(head) > 4096 else head  # it may end within a letter
    high = len(_HIGH.findall(head))
    if not high or _VALID.search(head):
        return UTF8
    letters = sum(len(_HIGH.findall(found)) for found in _PLAUSIBLE.findall(head))
    return "cp1252" if letters == high else UTF8


def without_mark(head: bytes) -> bytes:
    """Return a text's first bytes without its byte order mark."""
    for mark, _ in _MARKS:
        head = head.removeprefix(mark)
    return head


def _without_mark(head: bytes) -> str | None:
    """Tell UTF-16 by zeros in every second place: plain letters have them."""
    begin = head[:4096]
    pairs = len(begin) // 2
    if pairs < 8:
        return None
    low, high = begin[0 : 2 * pairs : 2].count(0), begin[1 : 2 * pairs : 2].count(0)
    if high > 0.9 * pairs and low == 0:
        return "utf-16-le"
    return "utf-16-be" if low > 0.9 * pairs and high == 0 else None
