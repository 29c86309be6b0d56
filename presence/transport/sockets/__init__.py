"""Non-blocking sockets: reading, writing, and what waits to be written."""
