"""A candidate's model card, drawn from what is known of it; no stores, no models, no data."""

from octavo.card.page import card

__all__ = ["card"]
