"""Rate limits: how many requests, tokens, images, megabytes of audio and open streams a key, project or organization may have."""
