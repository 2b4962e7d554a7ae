"""What `deploy/` and the Dockerfile promise, and a real API server's word on it."""
