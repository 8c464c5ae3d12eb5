"""Studies of trust: do maps stay, move with the answer, and mark what it rests on?"""
