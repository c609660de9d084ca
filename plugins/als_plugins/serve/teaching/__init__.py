"""Teaching in the page: what persons show, praise and prefer becomes a dataset, and the agent."""
