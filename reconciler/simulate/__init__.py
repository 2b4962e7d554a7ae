"""`reconciler simulate`: what would become of a commit, applied plainly and by us, on the simulated cluster."""
