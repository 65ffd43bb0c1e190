"""From config files and overrides to a frozen `RunConfig`."""
