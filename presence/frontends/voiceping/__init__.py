"""VoicePing over WebSocket, over lines of plain TCP, and its REST addresses."""
