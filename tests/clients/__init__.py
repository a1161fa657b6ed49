"""Real clients of Cloudflare's API; `install` gets them."""
