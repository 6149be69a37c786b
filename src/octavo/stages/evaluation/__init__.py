"""Stage 6, evaluation: which candidate answers the problem, if any."""
