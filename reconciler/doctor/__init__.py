"""`reconciler doctor`: names the hazards of a cluster, from what it shows alone.

    hazards of one observation      one function each, in the table of `examination`; pure
    room that leaked                `leaks`: the only part that asks the cluster for something, and only when told to

It needs no Git, no label of ours and no permission to write: it is what people run first, on clusters where nothing is
ours. It decides nothing for the planner; where it tells what fits, the planner's own reckoning answers.
"""
