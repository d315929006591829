"""A simulator of traffic on a serving plan, with the behavior of AWS."""
