"""Conformance suites, one for each port: what an implementation of one must pass."""
