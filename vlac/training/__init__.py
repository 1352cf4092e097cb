"""Training of ladders: loop, schedules, checkpoints, and the device that it runs on."""
