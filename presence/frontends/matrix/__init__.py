"""Matrix: the client-server API, and the draft's operations and event stream."""
