"""pytest plugin: the embedded exchange as a fixture for tests of your own strategy."""
