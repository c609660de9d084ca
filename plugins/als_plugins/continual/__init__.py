"""One agent learns one scenario after the other, and what it forgets is measured."""
