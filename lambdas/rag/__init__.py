"""Retrieval-augmented answers: the ingest, answer and index functions."""
