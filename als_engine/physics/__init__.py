"""What moves the bodies: the protocol, and Bullet."""
