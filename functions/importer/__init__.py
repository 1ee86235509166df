from oms.core import startup

startup.begin()
