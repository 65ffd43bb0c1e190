"""The config: from files and overrides to a checked, frozen `RunConfig`."""
