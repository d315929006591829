"""What machines and tokens take: watts, embodied carbon, and the range of both."""
