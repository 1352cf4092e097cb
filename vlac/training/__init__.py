"""What trains networks: epochs with their checkpoints, the ladder's updates and schedule, and the device."""
