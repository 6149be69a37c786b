"""Stage 5, training: from the training split to candidates."""
