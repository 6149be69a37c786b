"""The eight stages. Each reads stores and writes the next one; none imports another."""
