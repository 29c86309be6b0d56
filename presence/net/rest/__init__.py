"""The HTTP addresses: one's own presence and others', administration, operations."""
