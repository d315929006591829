"""The electricity of each Region: its carbon, live signals of it, and the hours to wait for."""
