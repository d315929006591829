"""Replaying traffic against serving plans, with the semantics of the real thing."""
