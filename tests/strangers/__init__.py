"""Files that strangers may hand over: what opening them may never do."""
