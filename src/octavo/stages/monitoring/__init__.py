"""Stage 8, monitoring: drift, performance and health of what is live."""
