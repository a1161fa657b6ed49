"""The pages of who decides: the inbox, and a message under review."""
