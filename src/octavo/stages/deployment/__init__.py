"""Stage 7, deployment: the passed candidate goes live."""
