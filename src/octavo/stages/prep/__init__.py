"""Stage 3, prep: from raw batches to features, offline and at request time."""
