"""What registries say of the references that are watched: asked for, and told."""
