"""What frames tell about the phone that is spoken: when phones are spoken, a linear probe, and a machine ABX."""
