

BLOCKS = [
@BLOCKS@
]
