"""Scripts that renew the tables of ``facts/data``, one for each table and source."""
