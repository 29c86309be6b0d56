"""The VoicePing dialect: five fields as text or MessagePack, pings and the user list."""
