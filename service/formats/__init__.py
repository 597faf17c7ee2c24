"""Prediction -> what leaves the service. Knows nothing of HTTP."""
