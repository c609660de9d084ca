"""World models: what an action leads to, learnt from data, and acting by it."""
