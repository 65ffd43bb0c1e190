"""Operating system and host: machine, files, locks, signals, hashes, text, fonts."""
