"""The Numenta Anomaly Benchmark: its scorer, and its series as a pipeline."""
