"""The frozen data everything speaks of: desired state, live state, plan and outcomes. No I/O, no clock."""
