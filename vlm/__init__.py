"""awase's back half: a candidate in; weights, answers, scores and a checkpoint out."""
