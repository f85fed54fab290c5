"""`python -m vlm.zoo.build`."""

from vlm.zoo.build.world import main

main()
