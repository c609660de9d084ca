"""Goes on training a saved agent from people's feedback, and takes back what makes it worse."""
