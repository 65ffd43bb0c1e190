"""What configs are planned to and what runs leave behind, written down once and held to."""
