"""A small recipe of a route over the tiny parents of these tests."""

from tests.vlm.tiny import RECIPE

DATA = RECIPE[RECIPE.index("data looked_at") : RECIPE.index("merge student")]
MODELS = """# a comment that stays
recipe tiny

model eyes from "file:eyes"
model tongue from "file:tongue"

"""
DRAWN = """  begin eyes
  path eyes.language.layers[0]
    -> (tongue.layers[1] -> maybe eyes.language.layers[1]) x int 1..2 scale 0.8..1.2  # a bracket
    -> maybe tongue.layers[0..1] -> eyes.language.layers[2]
  end eyes
  require layers <= 6
"""
POOL = """  begin eyes.language.layers[0]
  pool eyes.language.layers[1], tongue.layers[*]
  repeat = 2
  walk = flag per slot
  scale = 0.5..1.5 start 1.0 per hop
  end eyes.language.layers[2]
  require layers <= 6
  require layers >= 3
"""
TAIL = """search road {
  maximize log_likelihood on looked_at
  by = cma_es(sigma = 0.2)
  budget = 14 trials
  seed = 5
}

report road {
  exact_match on reported
  log_likelihood on reported
}

write road to "out/tiny" { dtype = fp32 }
"""


def recipe(road: str, tail: str = TAIL, models: str = MODELS) -> str:
    return f"{models}{DATA}route road {{\n{road}}}\n\n{tail}"
