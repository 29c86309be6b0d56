"""The writer behind the broadcasts, and the rows that it has not stored yet."""
