"""What `als check` looks at beside scenarios: agents, sensors, encoders, suites and packages."""
