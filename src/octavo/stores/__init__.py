"""Stores: where every stage leaves what it made, and the next one reads it."""
