"""Facts: numbers from published sources or assumptions, each with range, unit, year and source."""
