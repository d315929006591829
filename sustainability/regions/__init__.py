"""Where and when: Regions, their electricity, what AWS offers there, and hours to wait for."""
