"""Git and YAML at the edge: a commit, a folder or a stream → the desired state; files → a branch of the repository."""

from reconciler.repository.folder import load_folder, load_stream
from reconciler.repository.remote import Repository
from reconciler.repository.schemas import schema

__all__ = ["Repository", "load_folder", "load_stream", "schema"]
