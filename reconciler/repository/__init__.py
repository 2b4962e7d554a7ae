"""Git and YAML at the edge: a commit, a folder or a stream → the desired state; files → a branch of the repository."""
