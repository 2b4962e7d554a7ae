"""Fixtures that tests of several folders use."""

pytest_plugins = ["tests.controlplane.fixtures", "tests.standin.fixtures"]
