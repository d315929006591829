"""SageMaker Pipelines and the model registry, as far as a deployment tunes its model with them."""
