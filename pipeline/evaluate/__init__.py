"""Measuring models: embeddings, verification, intervals, clusters, cost, overlap. The only metrics code."""
