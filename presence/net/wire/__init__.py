"""The bytes of one WebSocket: frames going out and what waits, frames coming in and how many."""
