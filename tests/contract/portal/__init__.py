"""What the portal asks of other programs: directories, providers."""
