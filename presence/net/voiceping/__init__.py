"""VoicePing on the wire: status, pings and logins over WebSocket and over plain TCP."""
