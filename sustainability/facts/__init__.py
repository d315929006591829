"""Numbers taken from the world, each with its range, unit, year and source."""
