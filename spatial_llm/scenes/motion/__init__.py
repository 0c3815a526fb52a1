"""Sources that move along paths and a listener who turns: how they are rendered, and where everything is at any time."""
