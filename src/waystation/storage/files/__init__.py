"""Files and uploads: rows, and their contents in a local folder or an S3-compatible store."""
