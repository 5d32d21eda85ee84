"""Where trials are run: the recorder, the protocol, and this machine."""
