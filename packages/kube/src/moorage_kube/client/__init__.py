"""The API server: requests, answers and what they mean."""
