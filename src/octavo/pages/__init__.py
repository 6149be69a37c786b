"""Pages that stand alone: HTML and pictures from plain values, for all that is shown as a page."""
