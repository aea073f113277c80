"""What happens in git repositories: asked for, told, and told back."""
