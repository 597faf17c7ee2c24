"""How the gate is made: random pictures of what it must know, real films where they are at hand, one small fit."""
