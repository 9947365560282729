"""Static replies: the words that an administrator wrote for when nobody answers. The last rung of the ladder."""
