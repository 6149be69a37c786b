"""Drafting a definition from data: what `octavo init` writes, and why.

In order: `tables` and `reading` read files; `faults` repairs; `columns`, `clock`, `target`,
`prose`, `joins`, `hints` (what tells the target) and `windows` decide one thing each for `draft`,
or for `series` without a target; `script` or `series_script`, with `datasets`, `rows` and `code`,
write Python; `words` tells it.
"""

from octavo.services.drafting.draft import Draft, make_draft
from octavo.services.drafting.faults import repaired
from octavo.services.drafting.script import script
from octavo.services.drafting.series import Watch, make_watch
from octavo.services.drafting.series_script import series_document, series_script, series_words
from octavo.services.drafting.tables import read_tables
from octavo.services.drafting.target import column_of
from octavo.services.drafting.words import document, words

__all__ = [
    "Draft",
    "Watch",
    "column_of",
    "document",
    "make_draft",
    "make_watch",
    "read_tables",
    "repaired",
    "script",
    "series_document",
    "series_script",
    "series_words",
    "words",
]
