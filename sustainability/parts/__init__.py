"""The parts of a deployment that take energy, money or both: what is counted for each, and how."""
