"""Stage 1, problem: what is asked, and which figure answers it."""
