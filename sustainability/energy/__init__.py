"""Energy, carbon and cost of one unit: a token, an instance-hour, a second of a function."""
