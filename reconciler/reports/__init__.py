"""Reports: a pass as data (`report`), rendered as text, Markdown and JSON, and kept by sinks. Decides nothing."""
