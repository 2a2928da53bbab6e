"""Which Pythons are here, and what is wrong with them?"""
