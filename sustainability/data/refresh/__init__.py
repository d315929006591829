"""Scripts that bring the tables of ``sustainability/data`` up to date, one per table and source."""
