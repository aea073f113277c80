"""Settings: as they are written, and as they count."""
