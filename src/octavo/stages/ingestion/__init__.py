"""Stage 2, ingestion: from sources to the raw store."""
