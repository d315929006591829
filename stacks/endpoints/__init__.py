"""SageMaker endpoints on Inferentia2: model, image, scaling and queue."""
