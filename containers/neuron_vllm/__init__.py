"""The Inferentia2 serving image: starts the model server, measures the accelerator beside it.

Standard library alone, Python 3.10 (the base image's) and newer.
"""
