"""What users lose when a recording's changes are made plainly, and when we make them: on a real API server."""
