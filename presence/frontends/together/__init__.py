"""The Together protocol over WebSocket and REST."""
