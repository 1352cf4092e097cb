"""What people read: tables, figures and the probe's report, made from files alone."""
