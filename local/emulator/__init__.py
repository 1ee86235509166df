"""The process of the emulator: ministack behind a guard."""
