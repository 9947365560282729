"""What is kept of calls and for them: responses, conversations, stored completions, files. Everything belongs to a project."""
