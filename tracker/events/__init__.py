"""Push events of registries: who sent them, and which references they name. Each is a hint, never a fact."""
