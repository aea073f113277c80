"""What happens in git repositories, and the runs that tasks want for it."""
