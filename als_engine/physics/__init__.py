"""Physics engines: the protocol, Bullet and MuJoCo."""
