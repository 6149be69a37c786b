"""Stage 4, segregation: train, validation and test as a rule over a data version."""
