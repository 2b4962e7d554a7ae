"""The Seldon stand-in: what Seldon Core 2 does on a real API server, decided by the simulated cluster."""
