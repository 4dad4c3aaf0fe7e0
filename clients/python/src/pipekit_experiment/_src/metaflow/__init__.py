"""Steps of a Metaflow flow."""
