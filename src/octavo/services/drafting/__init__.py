"""Drafting a definition from data: what `octavo init` writes, and why."""

from octavo.services.drafting.draft import Draft, make_draft
from octavo.services.drafting.faults import repaired
from octavo.services.drafting.script import script
from octavo.services.drafting.tables import read_tables
from octavo.services.drafting.target import column_of
from octavo.services.drafting.words import document, words

__all__ = [
    "Draft",
    "column_of",
    "document",
    "make_draft",
    "read_tables",
    "repaired",
    "script",
    "words",
]
