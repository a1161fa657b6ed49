"""The pages of who writes: composing, one's messages, and a message."""
