"""The process of the emulator: ministack, with a guard before it."""
