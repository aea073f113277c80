"""Git forges over their own APIs: statuses of commits, webhooks, pull requests. Knows no task."""
