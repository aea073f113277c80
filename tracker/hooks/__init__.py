"""What git forges send: who may, and what it means."""
