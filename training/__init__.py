"""Train, judge and convert small models, on a laptop or as steps of a SageMaker Pipeline.

The package imports nothing of the project outside itself: SageMaker gets it as one zip file.
Modules that need torch import it where they use it, so that checks of data and of a gate's verdict
run without.
"""
