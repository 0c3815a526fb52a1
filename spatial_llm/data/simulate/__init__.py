"""Makes a data folder from a configuration: dry sounds, room responses, sampled scenes, and questions about them."""
