"""What the sensors of a host are really like: period, averaging, delay, resolution, cost."""
