"""The API as other programs use it: runs, their logs, contexts, tasks and what is known of images."""
