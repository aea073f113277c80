"""Engines and their containers: what they can do here, and how they are called."""
