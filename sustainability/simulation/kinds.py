"""The names of the generated weeks. Apart, so that the command line is read without the rest."""

KINDS = ("diurnal", "bursty", "flash", "quiet")
"""See :func:`sustainability.simulation.traffic.synthetic_week`."""
