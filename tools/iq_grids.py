#!/usr/bin/env python3
"""Writes src/quant/iq_grids.inc: the grids of the IQ formats below 4 bits, a 16-bit code for each entry.

The grids are facts of the file format, taken from the tables of the `gguf` package. A code has the places of an entry's
values in the grid's list of values, the first in the lowest bits: two bits each (eight values of three), or three bits
each in the IQ3 grids (four values of eight). Needs: gguf, numpy. Usage: iq_grids.py > src/quant/iq_grids.inc
"""

import numpy as np
from gguf import quants

GRIDS = {"Iq2Xxs": quants.IQ2_XXS, "Iq2Xs": quants.IQ2_XS, "Iq2S": quants.IQ2_S, "Iq3Xxs": quants.IQ3_XXS,
         "Iq3S": quants.IQ3_S, "Iq1": quants.IQ1_S}


def main():
    print("// Written by tools/iq_grids.py, which says what a code is.")
    for name, cls in GRIDS.items():
        cls.init_grid()
        grid = cls.grid.reshape(cls.grid_shape)
        places = np.searchsorted(np.array(cls.grid_map), grid)
        bits = 3 if grid.shape[1] == 4 else 2
        codes = (places << (bits * np.arange(grid.shape[1]))).sum(axis=1)
        print(f"constexpr uint16_t k{name}Codes[{len(codes)}] = {{")
        for i in range(0, len(codes), 14):
            print("    " + ", ".join(f"0x{c:04x}" for c in codes[i : i + 14]) + ",")
        print("};")


if __name__ == "__main__":
    main()
