"""Makes data: pictures of scans where few have labels, and measures whether they help."""
