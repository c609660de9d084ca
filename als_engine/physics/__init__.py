"""What moves the bodies: the protocol, Bullet and MuJoCo."""
