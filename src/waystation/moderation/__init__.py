"""What is harmful in texts: word lists, and the local chat model as a judge. It knows nothing of HTTP and money."""
