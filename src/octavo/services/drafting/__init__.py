"""Drafting a definition from data: what `octavo init` writes, and why."""

from octavo.services.drafting.draft import Draft, make_draft
from octavo.services.drafting.script import script
from octavo.services.drafting.tables import read_tables
from octavo.services.drafting.words import document, words

__all__ = ["Draft", "document", "make_draft", "read_tables", "script", "words"]
