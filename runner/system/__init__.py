"""The machine below: host, files, locks, signals, hashes, text, fonts."""
