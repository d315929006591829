"""Scripts that update the tables in ``facts/data``, one for each table and source."""
