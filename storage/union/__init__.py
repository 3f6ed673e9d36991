"""Two lakes of the same feed united by content."""
