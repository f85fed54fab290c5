"""The builder of the embedded world: public drawings and names in, small models out.

`python -m vlm.zoo.build` runs it; `world.py` lists the steps in their order.
"""
