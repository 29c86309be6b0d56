"""Values on topics, for many readers."""
