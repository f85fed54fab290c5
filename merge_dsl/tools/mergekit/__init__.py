"""mergekit's YAML into recipes, and recipes into mergekit's YAML.

    import: text -> `yaml_in` -> nodes -> `from_config`, `from_genome` -> Plan -> `recipe_out` -> recipe
    export: recipe -> `from_recipe` -> Plan -> `yaml_out` -> text

`Plan` (in `plan.py`) is what both can say; what only one can say is kept as notes and always named.
"""
