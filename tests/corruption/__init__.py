"""Forty kinds of damage, done to clean data at known rows; see `suite`."""
