"""A data folder made from a configuration: dry sounds, room responses, sampled scenes, and questions about them."""
