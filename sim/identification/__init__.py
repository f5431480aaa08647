"""What a robot's figures are, from recordings of it: the equations, the fit, its intervals, and what stays unknown."""
