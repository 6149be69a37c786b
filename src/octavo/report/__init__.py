"""The state of all eight stages as one page, drawn from what is known; no stores, no data."""

from octavo.report.page import report

__all__ = ["report"]
