"""Energy, carbon and money of one unit: a token, an instance-hour, a function-second."""
