"""Matrix presence: the draft's operations and event stream, and the client-server API."""
